import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamd.annotate.rect import Rect, bounds, corners, place
from streamd.frames import Detections, Surface

edges = st.floats(-1e4, 1e4, width=32)


def picture(width, height):
    return Surface(64, 0, width, height)


def found(box, angle=None):
    boxes, angles = np.array([box], np.float32), None if angle is None else np.array([angle], np.float32)
    return Detections(boxes, np.ones(1, np.float32), np.zeros(1, np.int32), angles)


@given(st.integers(1, 3000), st.integers(1, 3000), st.tuples(edges, edges, edges, edges))
def test_bounds_are_the_smallest_even_ones_in_the_picture(width, height, box):
    (rect,) = bounds(found(box), [0], picture(width, height))
    for low, high, start, end, size in (
        (box[0], box[2], rect.left, rect.right, width),
        (box[1], box[3], rect.top, rect.bottom, height),
    ):
        first = min(max(math.floor(low), 0), size - 1) // 2 * 2
        last = math.ceil(min(max(high, 0), size) / 2) * 2
        assert (start, end) == (first, min(max(last, first + 2), size))


def test_bounds_of_a_turned_box_hold_its_corners():
    detections = found([40, 60, 100, 80], 0.6)
    (rect,) = bounds(detections, [0], picture(320, 240))
    points = corners(detections.boxes, detections.angles)[0]
    assert rect.left <= points[:, 0].min() and points[:, 0].max() <= rect.right < 320
    assert rect.height > 20 and rect.width < 72


@pytest.mark.parametrize("angle", [0, math.pi / 2, math.pi])
def test_corners_of_right_angles(angle):
    points = corners(np.array([[0, 0, 4, 2]], np.float32), np.array([angle], np.float32))[0]
    wide, high = (2, 1) if angle != math.pi / 2 else (1, 2)
    assert sorted(np.abs(points - (2, 1)).round(3).tolist()) == [[wide, high]] * 4


def test_no_box_is_so_large_that_its_corners_are_no_numbers():
    assert np.isfinite(corners(np.array([[-3e38, -3e38, 3e38, 3e38]], np.float32), np.ones(1, np.float32))).all()


def test_a_label_goes_above_then_inside_then_further_down():
    box, screen, taken = Rect(40, 60, 100, 120), picture(320, 240), []
    tops = []
    for _ in range(4):
        taken.append(place(box, 50, 20, screen, taken))
        tops.append(taken[-1].top)
    assert tops == [40, 60, 80, 100]


def test_where_all_is_taken_the_first_place_is_taken_again():
    screen = picture(64, 24)
    taken = [Rect(0, 0, 64, 24)]
    assert place(Rect(0, 4, 60, 20), 40, 20, screen, taken) == Rect(0, 4, 40, 24)
