"""Which detections a frame gets, and when it waits for them."""

import threading

import numpy as np
import pytest

from streamd.annotate import Overlay
from streamd.frames import Detections, Frame, Picture

IMAGE = Picture(*(np.zeros(shape, np.uint8) for shape in ((2, 2), (1, 1), (1, 1))))


def frame(seq, *, session=1, infer=True):
    return Frame("front", session, seq, 0, 0, IMAGE, infer)


def found(mark):
    """Detections that can be told apart: `mark` is the class of the only one."""
    return Detections(np.zeros((1, 4), np.float32), np.ones(1, np.float32), np.array([mark], np.int32))


def marks(detections):
    return detections.class_ids.tolist()


@pytest.fixture
def overlay():
    return Overlay()


def test_a_frame_gets_its_own_result(overlay):
    for seq in range(5):
        overlay.post((1, seq), found(seq))
    assert [marks(overlay.take(frame(seq))) for seq in range(5)] == [[0], [1], [2], [3], [4]]


def test_an_inferred_frame_waits_for_its_result(overlay):
    overlay.post((1, 0), found(0))
    taken = []
    thread = threading.Thread(target=lambda: taken.append(overlay.take(frame(1))))
    thread.start()
    overlay.post((1, 1), found(1))
    thread.join(10)
    assert marks(taken[0]) == [1]


def test_a_later_result_proves_that_a_frame_was_dropped(overlay):
    overlay.post((1, 0), found(0))
    overlay.post((1, 2), found(2))
    assert marks(overlay.take(frame(1))) == [0]


def test_a_frame_that_is_not_inferred_holds_the_last_boxes_without_waiting(overlay):
    overlay.post((1, 0), found(0))
    assert marks(overlay.take(frame(0))) == [0]
    assert marks(overlay.take(frame(1, infer=False))) == [0]
    assert marks(overlay.take(frame(2, infer=False))) == [0]


def test_a_frame_before_any_result_gets_nothing(overlay):
    assert marks(overlay.take(frame(0, infer=False))) == []
    overlay.post((1, 3), found(3))
    assert marks(overlay.take(frame(1))) == []


def test_boxes_of_an_older_session_are_never_drawn_on_a_newer_one(overlay):
    overlay.post((1, 9), found(9))
    assert marks(overlay.take(frame(0, session=2, infer=False))) == []
    overlay.post((2, 4), found(4))
    assert marks(overlay.take(frame(1, session=2))) == []


def test_a_film_that_lags_behind_a_new_session_still_gets_its_own_boxes(overlay):
    overlay.post((1, 9), found(9))
    overlay.post((2, 0), found(0))
    assert marks(overlay.take(frame(9))) == [9]
    assert marks(overlay.take(frame(10))) == [9]
    assert marks(overlay.take(frame(0, session=2))) == [0]


def test_finish_ends_a_wait_with_what_there_is(overlay):
    overlay.post((1, 0), found(0))
    taken = []
    thread = threading.Thread(target=lambda: taken.append(overlay.take(frame(1))))
    thread.start()
    overlay.finish()
    overlay.finish()
    thread.join(10)
    assert marks(taken[0]) == [0]


def test_one_of_two_that_post_may_end(overlay):
    overlay.share()
    overlay.finish()
    thread = threading.Thread(target=lambda: taken.append(overlay.take(frame(1))))
    taken = []
    thread.start()
    overlay.post((1, 1), found(1))
    thread.join(10)
    assert marks(taken[0]) == [1]
    overlay.finish()
    assert marks(overlay.take(frame(2))) == [1]


def test_a_result_that_comes_late_or_twice_is_ignored(overlay):
    overlay.post((1, 3), found(3))
    overlay.post((1, 2), found(2))
    overlay.post((1, 3), found(33))
    assert marks(overlay.take(frame(2))) == []
    assert marks(overlay.take(frame(3))) == [3]


def test_what_nobody_takes_is_forgotten():
    overlay = Overlay(capacity=4)
    for seq in range(10_000):
        overlay.post((1, seq), found(seq))
    assert len(overlay._posted) == 4
    assert marks(overlay.take(frame(9_999))) == [9_999]
    assert len(overlay._posted) == 1
