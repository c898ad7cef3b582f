"""A camera's film on its own, against rooms that only write down what is asked of them."""

import pytest
import structlog

from streamd.annotate.overlay import Overlay
from streamd.clock import SystemClock
from streamd.corridor import Audience
from streamd.errors import EncodeError
from streamd.film import Film
from streamd.frames import Packet
from streamd.metrics import Metrics
from tests.noted import Sink, frame


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


class Draws:
    def __init__(self, told):
        self.told = told

    def __call__(self, picture, found):
        return picture

    def close(self):
        self.told.append(("wiped", ""))


@pytest.fixture
def film(told):
    """Makes a film that has its detections already."""
    sink, metrics = Sink(told), Metrics(SystemClock())

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
