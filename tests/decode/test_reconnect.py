import io
import json
import random

import numpy as np
import pytest
import structlog

from streamd import config, log
from streamd.decode.reconnect import Camera
from streamd.decode.source import Shot, Stats, StreamError
from streamd.frames import Picture

REFUSED = StreamError("rtsp://h/: connection refused", cause="refused")


def shot(index=0, size=(4, 4), lost=0, duration_s=0.04):
    height, width = size
    y, c = np.zeros((height, width), np.uint8), np.zeros(((height + 1) // 2, (width + 1) // 2), np.uint8)
    duration_ns = round(duration_s * 1e9)
    return Shot(Picture(y, c, c), index * duration_ns, duration_ns, 0, lost)


class Scripted:
    """A source that plays one list of shots a run; an error among them is raised. After the last run it refuses."""

    def __init__(self, *runs, live=True, clock=None, spell_s=0.0):
        self.live = live
        self.runs = list(runs)
        self.clock = clock
        self.spell_s = spell_s

    def check(self):
        pass

    def run_once(self, stop):
        for item in self.runs.pop(0) if self.runs else [REFUSED]:
            if isinstance(item, Exception):
                raise item
            yield item
            if self.clock:
                self.clock.now_ns += round(self.spell_s * 1e9)


@pytest.fixture
def run(clock, split, fake_stop):
    def make(source, *, waits=1, keys=None, rng=None):
        settings = config.Camera(uri="rtsp://h/", model="m", **(keys or {}))
        stop = fake_stop(waits)
        camera = Camera("front", settings, source, Stats(), clock, rng or random.Random(0))
        frames, notices = split(camera.frames(stop))
        assert not source.live or notices.pop(0).state == "connecting"
        return camera, frames, notices, stop

    return make


class Most(random.Random):
    """Draws the upper bound, always."""

    def uniform(self, a, b):
        return b


class Least(random.Random):
    """Draws the lower bound, always."""

    def uniform(self, a, b):
        return a


def test_a_live_source_that_fails_is_announced_and_tried_again(run):
    _, frames, notices, _ = run(Scripted([shot()], [shot()]), waits=3)
    assert len(frames) == 2
    assert [n.kind for n in notices[:-1]] == ["online", "offline", "reconnecting"] * 2 + ["reconnecting"]
    assert [n.state for n in notices] == ["online", *["reconnecting"] * 2] * 2 + ["reconnecting", "ended"]


def test_the_reason_and_the_delay_stand_in_the_notice(run):
    _, _, notices, _ = run(Scripted(), rng=Most())
    assert notices[0].reason == "rtsp://h/: connection refused; trying again in 0.5 s"


def test_the_back_off_doubles_up_to_its_bound(run):
    keys = {"reconnect": {"initial": 1, "maximum": 10}}
    _, _, _, stop = run(Scripted(), waits=6, keys=keys, rng=Most())
    assert stop.waited == [1, 2, 4, 8, 10, 10]


def test_the_delay_is_drawn_from_nothing_up_to_the_bound(run):
    keys = {"reconnect": {"initial": 1, "maximum": 1}}
    _, _, _, stop = run(Scripted(), waits=200, keys=keys)
    assert 0 <= min(stop.waited) < 0.05
    assert 0.95 < max(stop.waited) <= 1


def test_ten_thousand_failures_do_not_overflow(run):
    _, _, _, stop = run(Scripted(), waits=10_000)
    assert max(stop.waited) <= 30


def test_a_healthy_spell_begins_the_back_off_anew(run, clock):
    source = Scripted([REFUSED], [REFUSED], [shot(), shot(1)], clock=clock, spell_s=6)
    _, _, _, stop = run(source, waits=4, rng=Most())
    assert stop.waited == [0.5, 1.0, 0.5, 1.0]


def test_a_stream_that_dies_at_once_does_not_begin_the_back_off_anew(run, clock):
    _, _, _, stop = run(Scripted([shot()], [shot()], [shot()], clock=clock, spell_s=1), waits=3, rng=Most())
    assert stop.waited == [0.5, 1.0, 2.0]


def test_reconnects_are_counted_by_cause(run):
    stalled = StreamError("frozen", cause="stalled")
    camera, _, _, _ = run(Scripted([shot()], [stalled], [stalled]), waits=4)
    assert camera.stats.reconnects == {"ended": 1, "stalled": 2, "refused": 1}


def test_every_restart_is_a_later_session_even_within_a_millisecond(run):
    _, frames, _, _ = run(Scripted(*[[shot()]] * 5), waits=5, rng=Least())
    sessions = [frame.session for frame in frames]
    assert sessions == sorted(set(sessions))
    assert [frame.seq for frame in frames] == [0] * 5


def test_a_new_size_is_a_new_session(run):
    _, frames, notices, _ = run(Scripted([shot(), shot(1), shot(2, size=(6, 8))]))
    assert [frame.seq for frame in frames] == [0, 1, 0]
    assert frames[1].session < frames[2].session
    assert notices[1].reason == "the picture changed from 4x4"


def test_corrupt_frames_leave_a_gap_in_seq(run):
    _, frames, _, _ = run(Scripted([shot(), shot(3, lost=2)]))
    assert [frame.seq for frame in frames] == [0, 3]


def test_a_jump_of_the_timestamps_is_counted_and_closed(run):
    camera, frames, _, _ = run(Scripted([shot(0), shot(1), shot(90_000), shot(90_001), shot(5)]))
    assert [frame.pts_ns // 40_000_000 for frame in frames] == [0, 1, 2, 3, 4]
    assert camera.stats.jumps == 2


def test_a_file_that_fails_midway_ends_with_its_reason(run):
    broken = StreamError("clip.mp4: breaks off", cause="invalid")
    _, frames, notices, stop = run(Scripted([shot(), broken], live=False))
    assert len(frames) == 1
    assert [(n.kind, n.reason) for n in notices] == [("online", ""), ("end-of-stream", "clip.mp4: breaks off")]
    assert stop.waited == []


def test_a_stop_during_the_back_off_ends_the_camera(run):
    _, _, notices, _ = run(Scripted(), waits=1)
    assert [n.state for n in notices] == ["reconnecting", "ended"]


@pytest.fixture
def log_to():
    """Sets the log up to a stream; as it was before, afterwards."""
    yield lambda stream, **keys: log.setup("info", "json", stream, **keys)
    structlog.reset_defaults()


def test_a_camera_that_runs_follows_the_log(clock, fake_stop, log_to):
    before, after = io.StringIO(), io.StringIO()
    log_to(before)
    settings = config.Camera(uri="rtsp://h/", model="m")
    camera = Camera("front", settings, Scripted([shot(1), shot(0)]), Stats(), clock, random.Random(0))
    log_to(after, secrets=["front"])
    list(camera.frames(fake_stop(1)))
    assert before.getvalue() == ""
    assert json.loads(after.getvalue())["camera"] == "***"


def test_a_fault_in_a_source_costs_that_camera_an_attempt_and_no_more(camera, stop, split, monkeypatch):
    front = camera("rtsp://127.0.0.1:9/x")

    def broken(_stop):
        raise ValueError("a header that makes no sense")
        yield

    monkeypatch.setattr(front._source, "run_once", broken)
    stop.left = 2
    _, notices = split(front.frames(stop))
    assert [notice.state for notice in notices] == ["connecting", "reconnecting", "reconnecting", "ended"]
    assert "a header that makes no sense" in notices[1].reason


@pytest.mark.parametrize(
    ("cause", "state"),
    [("denied", "failed"), ("codec", "failed"), ("timeout", "reconnecting"), ("reset", "reconnecting")],
)
def test_what_no_new_try_mends_is_failed_and_tried_again_all_the_same(run, cause, state):
    _, _, notices, stop = run(Scripted([StreamError("rtsp://h/: away", cause=cause)]), waits=2)
    assert (notices[0].state, notices[0].cause) == (state, cause)
    assert len(stop.waited) == 2


@pytest.mark.parametrize(
    ("shots", "states"),
    [([shot()], ["online", "ended"]), ([shot(), REFUSED], ["online", "failed"]), ([REFUSED], ["failed"])],
)
def test_a_file_ends_or_fails(run, shots, states):
    _, _, notices, _ = run(Scripted(shots, live=False))
    assert [notice.state for notice in notices] == states


def test_another_frame_rate_that_lasts_is_a_new_session(run):
    shots = [*(shot(i) for i in range(30)), *(shot(30 + i * 2) for i in range(30))]
    _, frames, notices, _ = run(Scripted(shots))
    assert notices[1].reason == "the frame rate changed from 25 to 12.5"
    assert [frame.session == frames[0].session for frame in frames] == [True] * 50 + [False] * 10
    assert [frame.seq for frame in frames[50:]] == list(range(10))


def test_a_file_may_change_its_rate_within_a_session(run):
    shots = [*(shot(i) for i in range(30)), *(shot(30 + i * 2) for i in range(30))]
    _, frames, _, _ = run(Scripted(shots, live=False))
    assert len({frame.session for frame in frames}) == 1


class Waiting:
    """A live source that asks its stop signal once a second while it waits for the next shot, as FFmpeg does."""

    live = True

    def __init__(self, clock, *waits_s):
        self.clock = clock
        self.waits_s = waits_s

    def run_once(self, stop):
        for index, wait_s in enumerate(self.waits_s):
            for _ in range(wait_s):
                self.clock.now_ns += 1_000_000_000
                stop.is_set()
            yield shot(index)


def test_a_stall_is_told_once_while_it_lasts_and_so_is_its_end(clock, fake_stop):
    camera = Camera(
        "front", config.Camera(uri="rtsp://h/", model="m"), Waiting(clock, 9, 1, 4, 1), Stats(), clock, random.Random(0)
    )
    told = []
    for item in camera.frames(fake_stop(1), told.append):
        told += [item]
    assert [getattr(item, "state", "frame") for item in told] == [
        "connecting", "online", "frame", "frame", "stalled", "online", "frame", "frame",
        "reconnecting", "reconnecting", "ended",
    ]  # fmt: skip
    assert told[4].reason == "no frame for 2.5 s"
    assert told[5].reason == "frames come again after 4.0 s"
    assert told[5].session == told[1].session
