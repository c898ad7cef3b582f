"""The work of each stage on its own, against rooms that only write down what is asked of them."""

import pytest
import structlog

from streamd.annotate.overlay import Overlay
from streamd.clock import SystemClock
from streamd.corridor import Audience, Batch, Doorway, Finish, Found, Publish, Underway
from streamd.errors import Abandoned, ModelError
from streamd.frames import Detections, Notice
from streamd.metrics import Metrics
from streamd.slots import SlotRing
from tests.noted import Sink, frame


class Lane:
    def __init__(self, told, name):
        self.told = told
        self.name = name

    def put(self, frame):
        self.told.append((self.name, frame.seq))

    def finish(self):
        self.told.append((self.name, "finished"))


@pytest.fixture
def told():
    """What was asked of the rooms, in order."""
    return []


@pytest.fixture
def sink(told):
    return Sink(told)


@pytest.fixture
def metrics():
    return Metrics(SystemClock())


def test_an_audience_arrives_once(sink):
    audience = Audience(sink, "front")
    assert (audience.watching(), audience.arrived()) == (False, False)
    sink.watched = True
    assert (audience.watching(), audience.watching()) == (True, True)
    assert (audience.arrived(), audience.arrived()) == (True, False)


def test_an_audience_that_comes_again_arrives_again(sink):
    audience = Audience(sink, "front")
    arrivals = []
    for sink.watched in (True, False, True):
        audience.watching()
        arrivals.append(audience.arrived())
    assert arrivals == [True, False, True]


def test_with_always_there_is_an_audience_from_the_first_frame_on(sink):
    audience = Audience(sink, "front", always=True)
    assert (audience.watching(), audience.arrived(), audience.arrived()) == (True, True, False)


@pytest.fixture
def underway():
    return Underway()


@pytest.fixture
def doorway(told, sink, underway, metrics):
    lanes = (Lane(told, "model"), Lane(told, "film"))
    return Doorway(*lanes, Audience(sink, "front"), sink, underway, metrics.camera("front"))


def test_a_frame_goes_to_its_model_before_its_film(doorway, sink, told):
    sink.watched = True
    doorway.put(frame(7))
    assert told == [("model", 7), ("film", 7)]


def test_a_frame_that_nobody_watches_is_not_filmed(doorway, told):
    doorway.put(frame(7))
    assert told == [("model", 7)]


def test_a_frame_that_is_passed_over_is_filmed_and_not_inferred(doorway, sink, told):
    sink.watched = True
    doorway.put(frame(7, infer=False))
    assert told == [("film", 7)]


def test_without_video_there_is_only_the_model(told, sink, underway, metrics):
    sink.watched = True
    doorway = Doorway(Lane(told, "model"), None, Audience(sink, "front"), sink, underway, metrics.camera("front"))
    doorway.put(frame(7))
    doorway.finish()
    assert told == [("model", 7), ("model", "finished")]


def test_a_camera_is_under_way_from_its_first_frame_s_door_to_its_last_one_s_detections(doorway, underway, publish):
    doorway.put(frame(1))
    doorway.put(frame(2, infer=False))
    doorway.put(frame(3))
    assert "front" in underway and "back" not in underway
    underway.leave(frame(1))
    assert "front" in underway
    list(publish()(found(3)))
    assert "front" not in underway


def test_the_end_of_a_camera_ends_both_lanes(doorway, told):
    doorway.finish()
    assert told == [("model", "finished"), ("film", "finished")]


@pytest.mark.parametrize(
    ("kind", "reason", "state", "level"),
    [
        ("offline", "", "connecting", "info"),
        ("online", "", "online", "info"),
        ("online", "the picture changed from 64x48", "online", "info"),
        ("end-of-stream", "stopped", "ended", "info"),
        ("end-of-stream", "breaks off after 3 frames", "failed", "warning"),
        ("offline", "no data", "reconnecting", "warning"),
        ("reconnecting", "no data; trying again in 1 s", "reconnecting", "warning"),
    ],
)
def test_a_notice_is_published_counted_and_logged_by_its_weight(doorway, told, metrics, kind, reason, state, level):
    with structlog.testing.capture_logs() as logged:
        doorway.put(Notice("front", 1, kind, 0, reason, state))
    assert told == [("event", kind)]
    assert metrics.camera("front").state == state
    assert [(line["event"], line["log_level"]) for line in logged] == [(kind, level)]


class Posts(Overlay):
    def __init__(self, told):
        super().__init__()
        self.told = told

    def post(self, key, detections):
        self.told.append(("posted", key[1]))
        super().post(key, detections)


@pytest.fixture
def finish(metrics):
    """Makes the stage that reads a slot, of a head."""

    def make(read=lambda slot, geometries: [Detections.none() for _ in geometries]):
        ring = SlotRing(2)
        ring.fill(ring.acquire())
        ring.start(0)
        ring.finish(0)
        steps = lambda slot: {"run": 0.004}  # noqa: E731
        return ring, Finish(read, ring, steps, metrics.model("street"))

    return make


@pytest.fixture
def publish(sink, underway, metrics):
    """Makes the last stage of a model, of the overlays by camera."""

    def make(overlays=None):
        metrics.camera("front")
        return Publish("street", (), sink, overlays or {}, underway, metrics.model("street"))

    return make


def found(*seqs):
    return Found(tuple(map(frame, seqs)), [Detections.none() for _ in seqs])


def batch(*seqs):
    return Batch(tuple(map(frame, seqs)), (None,) * len(seqs), 0)


def test_detections_are_published_before_a_film_may_have_them(publish, told):
    list(publish({"front": Posts(told)})(found(3, 4)))
    assert told == [("detections", 3), ("detections", 4), ("posted", 3), ("posted", 4)]


def test_what_a_slot_spent_on_a_gpu_is_told_by_step(finish, metrics):
    _, work = finish()
    list(work(batch(3)))
    assert metrics.model("street").stage("gpu-run").seconds.total == 0.004


def test_a_slot_is_given_back_before_what_it_held_is_passed_on(finish):
    ring, work = finish()
    passed = next(iter(work(batch(3, 4))))
    assert {ring.acquire(), ring.acquire()} == {0, 1}
    assert [one.seq for one in passed.frames] == [3, 4] and len(passed.detections) == 2


def test_a_camera_that_has_gone_has_its_last_detections_published(publish, told):
    list(publish({"another": Posts(told)})(found(3)))
    assert told == [("detections", 3)]


def test_a_head_that_fails_leaves_nobody_waiting_for_a_slot(finish):
    def read(slot, geometries):
        raise ModelError("no")

    ring, work = finish(read)
    with pytest.raises(ModelError):
        list(work(batch(3)))
    work.close()
    with pytest.raises(Abandoned):
        ring.acquire()


def test_a_model_that_ended_leaves_no_film_waiting_for_detections(publish):
    overlay = Overlay()
    publish({"front": overlay}).close()
    assert len(overlay.take(frame(3))) == 0
