"""Cameras that a reload changes: what was theirs leaves first, and only then what is theirs anew."""

import dataclasses
import itertools
import threading

import pytest

from streamd import models
from tests import made
from tests.daemons import House

LIVE = {"uri": "scenes:?width=64&height=64&fps=25"}


class Gate:
    """Holds up the runs of a model; whoever comes to it meanwhile is noted."""

    def __init__(self):
        self.came = False
        self._held = ""
        self._changed = threading.Condition()

    def hold(self, model):
        with self._changed:
            self._held, self.came = model, False
            self._changed.notify_all()

    def pass_by(self, model):
        with self._changed:
            self.came |= model == self._held
            self._changed.wait_for(lambda: model != self._held)


@pytest.fixture
def gate(monkeypatch):
    """The gate that every run of every model passes."""
    made, lay = Gate(), models.lay

    def gated(name, model, base):
        line = lay(name, model, base)

        def run(slot, rows):
            made.pass_by(name)
            line.run(slot, rows)

        return dataclasses.replace(line, run=run)

    monkeypatch.setattr(models, "lay", gated)
    return made


class Quick(House):
    """A daemon whose models find nothing, and that at once."""

    def copy(self, name):
        return {"path": str(made.model(self.folder / f"{name}.onnx"))}


@pytest.fixture
def house(tmp_path, write_clip, gate):
    quick = Quick(tmp_path, write_clip(tmp_path / "clip.mp4", 20))
    quick.daemon.start()
    yield quick
    gate.hold("")
    quick.close()


def sessions(house, camera):
    return [session for name, session in house.sink.order if name == camera and session]


def rising(values):
    return all(a < b for a, b in itertools.pairwise(values))


def test_a_camera_that_moves_to_another_model_waits_until_the_first_has_told_all(house, gate):
    house.shows["one"] = LIVE
    house.reload()
    house.more("one"), house.more("two")
    gate.hold("a")
    house.until(lambda: gate.came)
    (*_, last), begun = sessions(house, "one"), house.sink.events.count(("one", "offline", ""))
    house.cameras["one"] = "b"
    house.reload()
    house.until(lambda: "one/camera" not in house.daemon.pipeline.running())
    house.more("two", 10)
    assert sessions(house, "one")[-1] == last
    assert house.sink.events.count(("one", "offline", "")) == begun  # it has not even tried
    gate.hold("")
    house.until(lambda: house.sink.of("one")[-1][1] > last)
    house.more("one")
    assert rising([(session, seq) for _, session, seq, _ in house.sink.of("one")])


def test_nothing_of_an_old_session_follows_a_new_one_however_often_cameras_move(house):
    house.sink.watched = frozenset({"one", "two"})
    house.shows["one"] = LIVE
    for model, other in [("a", "b"), ("b", "a")] * 2:
        house.cameras = {"one": other, "two": model}
        known = {camera: max(sessions(house, camera), default=0) for camera in house.cameras}
        house.reload()
        house.until(lambda known=known: all(max(sessions(house, name), default=0) > known[name] for name in known))
        house.more("one", 2), house.more("two", 2)
    for camera in house.cameras:
        assert sessions(house, camera) == sorted(sessions(house, camera))
        assert rising([(session, seq) for _, session, seq, _ in house.sink.of(camera)])
        assert rising([(session, seq) for name, session, seq in house.sink.units if name == camera])


def test_sessions_rise_over_a_reload_though_the_clock_was_set_back(house):
    house.more("one")
    known = sessions(house, "one")[-1]
    house.clock.back_s = 3600
    house.shows["one"] = {**house.shows["one"], "every": 2}
    house.reload()
    house.until(lambda: sessions(house, "one")[-1] != known)
    assert sessions(house, "one")[-1] > known


def test_all_cameras_may_be_replaced_at_once_again_and_again(house):
    for every in (2, 3, 2):
        house.shows = {name: {**shown, "every": every} for name, shown in house.shows.items()}
        house.reload()
        house.until(lambda: not house.daemon._leaving)
        house.more("one"), house.more("two")


def test_once_every_file_has_ended_the_models_take_no_camera(house):
    house.shows = {name: {**shown, "loop": False, "pace": "asap"} for name, shown in house.shows.items()}
    house.reload()
    assert not house.daemon.ending
    while not house.daemon.tick():
        house.daemon.pipeline.wait(0.01)
    assert house.daemon.ending
