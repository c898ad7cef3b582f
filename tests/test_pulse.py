"""The watchdog is fed while there is progress, and the status line says how things are."""

from types import SimpleNamespace

import pytest

from streamd.metrics import Metrics
from streamd.pulse import Pulse


class Clock:
    now_s = 1000.0

    def monotonic_ns(self):
        return int(self.now_s * 1e9)

    unix_ns = monotonic_ns


class House:
    """A daemon whose models are what the test says, and a manager that remembers."""

    def __init__(self):
        self.clock = Clock()
        self.metrics = Metrics(self.clock)
        self.runs = {}
        self.told = []
        self.measured = 0
        self.settings = SimpleNamespace(cameras={"front": None, "side": None})
        self.watchdog_s = 8.0
        self.pulse = Pulse(self, self.metrics, self, self.clock)

    def __call__(self, **states):
        self.told.append(states)

    def awaited(self):
        return dict(self.runs)

    def measure(self):
        self.measured += 1

    def pings(self, seconds):
        """How many pings come in so many seconds."""
        before = self.told.count({"WATCHDOG": "1"})
        for _ in range(int(seconds * 10)):
            self.clock.now_s += 0.1
            self.pulse()
        return self.told.count({"WATCHDOG": "1"}) - before


@pytest.fixture
def house():
    return House()


def test_an_idle_daemon_pings_four_times_a_period(house):
    assert house.pings(40) in (19, 20)


def test_a_model_that_runs_keeps_the_pings_coming(house):
    for house.runs["street"] in range(10):
        assert house.pings(5)


def test_a_model_whose_frames_wait_and_that_finishes_nothing_stops_them(house):
    house.runs["street"] = 7
    assert house.pings(8)
    assert house.pings(100) == 0
    house.runs["street"] = 8
    assert house.pings(5)


def test_one_stuck_model_of_two_stops_them(house):
    house.runs["stuck"] = 7
    for house.runs["street"] in range(10):
        house.pings(5)
    assert house.pings(5) == 0


def test_a_camera_that_only_a_restart_can_help_stops_them(house):
    camera = house.metrics.camera("front")
    camera.state, camera.last_frame_ns = "online", house.clock.monotonic_ns()
    assert house.pings(29)
    house.pings(2)
    assert house.pings(100) == 0


def test_without_a_watchdog_nothing_is_pinged(house):
    house.watchdog_s = 0
    assert house.pings(100) == 0


def test_the_line_is_told_when_it_changes(house):
    house.pings(30)
    assert [each for each in house.told if "STATUS" in each] == [{"STATUS": "0 of 2 cameras online, 0 fps"}]
    house.metrics.camera("front").state = "online"
    house.pings(6)
    assert house.told.count({"STATUS": "1 of 2 cameras online, 0 fps"}) == 1
    assert house.measured > 5


def test_a_file_that_was_refused_is_told_until_one_is_taken(house):
    house.metrics.reloaded(refused="cams.yaml:1:1: bad\nand worse")
    assert house.pulse.line() == "0 of 2 cameras online, 0 fps; reload refused: cams.yaml:1:1: bad"
    house.metrics.reloaded()
    assert house.pulse.line() == "0 of 2 cameras online, 0 fps"
