"""The work of each stage on its own, against rooms that only write down what is asked of them."""

import numpy as np
import pytest
import structlog

from streamd.annotate.overlay import Overlay
from streamd.clock import SystemClock
from streamd.corridor import Audience, Batch, Doorway, Film, Finish
from streamd.errors import Abandoned, EncodeError, ModelError
from streamd.frames import Detections, Frame, Notice, Packet, Picture
from streamd.metrics import Metrics
from streamd.slots import SlotRing


class Sink:
    """Writes down what is published; video is wanted while `watched`."""

    def __init__(self, told):
        self.told = told
        self.watched = False

    def detections(self, frame, found, labels, model):
        self.told.append(("detections", frame.seq))

    def event(self, notice):
        self.told.append(("event", notice.kind))

    def video(self, packet):
        self.told.append(("video", packet.seq))

    def wanted(self, camera):
        return self.watched


class Lane:
    def __init__(self, told, name):
        self.told = told
        self.name = name

    def put(self, frame):
        self.told.append((self.name, frame.seq))

    def finish(self):
        self.told.append((self.name, "finished"))


class Encoder:
    """One packet a frame; fails where it is told to."""

    def __init__(self, told, *, fails=()):
        self.told = told
        self.fails = fails

    def __call__(self, frame, picture, keyframe):
        if "frame" in self.fails:
            raise EncodeError("no")
        self.told.append(("keyframe" if keyframe else "frame", frame.seq))
        return [Packet(frame.camera, frame.session, frame.seq, 0, 0, 2, 2, keyframe, frame.seq, b"")]

    def flush(self):
        if "flush" in self.fails:
            raise EncodeError("no")
        self.told.append(("flush", ""))
        return []

    def close(self):
        self.told.append(("closed", ""))


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


def frame(seq, infer=True):
    planes = (np.zeros(shape, np.uint8) for shape in ((2, 2), (1, 1), (1, 1)))
    return Frame("front", 1, seq, 0, 0, Picture(*planes), infer)


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
def doorway(told, sink, metrics):
    return Doorway(Lane(told, "model"), Lane(told, "film"), Audience(sink, "front"), sink, metrics.camera("front"))


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


def test_without_video_there_is_only_the_model(told, sink, metrics):
    sink.watched = True
    doorway = Doorway(Lane(told, "model"), None, Audience(sink, "front"), sink, metrics.camera("front"))
    doorway.put(frame(7))
    doorway.finish()
    assert told == [("model", 7), ("model", "finished")]


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
def finish(told, sink, metrics):
    """Makes the last stage of a model, of a head and the overlays by camera."""

    def make(read=lambda slot, geometries: [Detections.none() for _ in geometries], overlays=None):
        ring = SlotRing(2)
        ring.fill(ring.acquire())
        ring.start(0)
        ring.finish(0)
        metrics.camera("front")
        steps = lambda slot: {"run": 0.004}  # noqa: E731
        return ring, Finish("street", (), read, ring, steps, sink, overlays or {}, metrics.model("street"))

    return make


def batch(*seqs):
    return Batch(tuple(map(frame, seqs)), (None,) * len(seqs), 0)


def test_detections_are_published_before_a_film_may_have_them(finish, told):
    _, work = finish(overlays={"front": Posts(told)})
    work(batch(3, 4))
    assert told == [("detections", 3), ("posted", 3), ("detections", 4), ("posted", 4)]


def test_what_a_slot_spent_on_a_gpu_is_told_by_step(finish, metrics):
    _, work = finish()
    work(batch(3))
    assert metrics.model("street").stage("gpu-run").seconds.total == 0.004


def test_a_slot_is_given_back(finish):
    ring, work = finish()
    work(batch(3))
    assert {ring.acquire(), ring.acquire()} == {0, 1}


def test_a_camera_that_has_gone_has_its_last_detections_published(finish, told):
    _, work = finish(overlays={"another": Posts(told)})
    work(batch(3))
    assert told == [("detections", 3)]


def test_a_head_that_fails_leaves_nobody_waiting_for_a_slot_or_for_detections(finish):
    def read(slot, geometries):
        raise ModelError("no")

    overlay = Overlay()
    ring, work = finish(read, {"front": overlay})
    with pytest.raises(ModelError):
        work(batch(3))
    work.close()
    assert len(overlay.take(frame(3))) == 0
    with pytest.raises(Abandoned):
        ring.acquire()


class Draws:
    def __init__(self, told):
        self.told = told

    def __call__(self, picture, found):
        return picture

    def close(self):
        self.told.append(("wiped", ""))


@pytest.fixture
def film(told, sink, metrics):
    """Makes a film that has its detections already."""

    def make(**faults):
        overlay = Overlay()
        overlay.finish()
        audience = Audience(sink, "front", always=True)
        audience.watching()
        encoder = Encoder(told, **faults)
        return Film(overlay, Draws(told), encoder, audience, sink, metrics.camera("front"))

    return make


def test_a_film_begins_with_a_keyframe(film, told):
    work = film()
    work(frame(0))
    work(frame(1))
    assert told == [("keyframe", 0), ("video", 0), ("frame", 1), ("video", 1)]


def test_an_encoder_that_fails_is_logged_once_and_not_asked_again(film, told):
    work = film(fails={"frame"})
    with structlog.testing.capture_logs() as logged:
        for seq in range(3):
            work(frame(seq))
        work.flush()
    assert told == []
    assert [line["event"] for line in logged] == ["no video of this camera"]


def test_an_encoder_that_fails_at_the_end_costs_its_last_frames_and_no_more(film, told):
    work = film(fails={"flush"})
    work(frame(0))
    with structlog.testing.capture_logs() as logged:
        work.flush()
    work.close()
    assert told == [("keyframe", 0), ("video", 0), ("closed", ""), ("wiped", "")]
    assert [line["log_level"] for line in logged] == ["error"]


def test_a_film_ends_with_what_its_encoder_still_holds(film, told):
    work = film()
    work.flush()
    assert told == [("flush", "")]
