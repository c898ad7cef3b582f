"""The ledger that the GPU's scripts count by: what it must notice."""

import numpy as np
import pytest

from streamd.frames import Detections, Frame, Notice, Picture
from tests.gpu.ledger import Ledger

LAP = 3
PICTURE = Picture(*(np.zeros(shape, np.uint8) for shape in ((2, 2), (1, 1), (1, 1))))


def told(*keys, score=0.9, floor=0.0):
    """The faults of a camera whose frames have these (session, seq), one object on each."""
    ledger = Ledger(LAP)
    ledger.floor["front"] = floor
    found = Detections(np.float32([[0, 0, 1, 1]]), np.float32([score]), np.int32([0]))
    for session, seq in keys:
        ledger.detections([Frame("front", session, seq, 0, 0, PICTURE)], [found], ("person",), "street")
    assert ledger.frames["front"] == len(keys)
    return ledger.faults


def test_laps_that_are_whole_are_no_fault():
    assert told((5, 0), (5, 1), (5, 2), (7, 0), (7, 1), (7, 2), (8, 0)) == []


@pytest.mark.parametrize(
    "keys",
    [
        [(5, 1)],  # the first is missing
        [(5, 0), (5, 2)],
        [(5, 0), (5, 0)],
        [(5, 0), (5, 1), (5, 0)],
        [(5, 0), (5, 1), (6, 0)],  # a lap without its last
        [(5, 0), (5, 1), (5, 2), (4, 0)],  # an older lap
    ],
)
def test_a_frame_that_is_missing_or_came_twice_is_a_fault(keys):
    assert len(told(*keys)) == 1


def test_what_the_model_that_was_replaced_would_find_is_a_fault():
    assert told((5, 0), score=0.5, floor=0.6) == ["front: a score of 0.500, of the model that was replaced"]
    assert told((5, 0), score=0.7, floor=0.6) == []


def test_a_camera_that_is_lost_is_a_fault():
    ledger = Ledger(LAP)
    ledger.event(Notice("front", 1, "config", 0, "added"))
    ledger.event(Notice("front", 1, "offline", 0, "it is gone", cause="corrupt"))
    assert ledger.faults == ["front: offline corrupt it is gone"]
