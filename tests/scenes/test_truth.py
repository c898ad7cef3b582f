"""Boxes against a count of their own, on things laid by hand."""

import numpy as np
import pytest

from streamd.scenes.cast import CAR, PERSON
from streamd.scenes.paint import Patch
from streamd.scenes.scene import _Known, _mark, _truths

SIZE = 200


def block(x, y, width, height):
    return Patch(x, y, np.full((height, width, 4), 255, np.uint8))


def told(*patches):
    """The truths of patches laid in order, the first a car, the others people."""
    ids, known = np.zeros((SIZE, SIZE), np.uint8), {}
    for number, patch in enumerate(patches, start=1):
        height, width = patch.pixels.shape[:2]
        inside = max(0, min(patch.x + width, SIZE) - max(patch.x, 0)) * height
        rect = (patch.x, patch.y, patch.x + width, patch.y + height)
        known[number] = _Known(CAR if number == 1 else PERSON, inside, width * height, rect)
        _mark(patch, ids, number)
    return ids, _truths(ids, known)


def test_a_thing_in_the_open_has_its_whole_extent():
    _, truths = told(block(20, 30, 50, 40))
    assert truths[0].box == (20.0, 30.0, 70.0, 70.0)
    assert truths[0].visible == 1.0


def test_a_box_is_the_extent_of_what_nothing_hides():
    ids, truths = told(block(20, 30, 60, 40), block(50, 0, 60, 100))
    rows, cols = np.nonzero(ids == 1)
    assert truths[0].box == (cols.min(), rows.min(), cols.max() + 1, rows.max() + 1)
    assert truths[0].visible == pytest.approx(0.5)


def test_a_thing_mostly_hidden_is_not_told():
    _, truths = told(block(20, 30, 100, 40), block(40, 0, 100, 100))
    assert [truth.class_id for truth in truths] == [PERSON]


def test_a_thing_cut_by_the_edge_ends_at_the_edge():
    _, truths = told(block(-30, 30, 60, 40))
    assert truths[0].box == (0.0, 30.0, 30.0, 70.0)


def test_a_sliver_at_the_edge_is_not_told():
    assert told(block(-95, 30, 100, 100))[1] == ()


def test_a_speck_is_not_told():
    assert told(block(20, 20, 3, 30))[1] == ()
