from pathlib import Path

import numpy as np
import pytest

from streamd.errors import DataError
from streamd.frames import Detections
from streamd.score.detect import score
from streamd.score.truth import Truth, boxes_of

LABELS = ("person", "car", "bus")


def truth(*boxes, kinds=None, crowd=None):
    count = len(boxes)
    kinds = np.array([0] * count if kinds is None else kinds, np.int32)
    return Truth(Path("a.png"), boxes_of(boxes), kinds, np.array([False] * count if crowd is None else crowd, bool))


def found(*boxes, scores=None, kinds=None):
    count = len(boxes)
    scores = np.array([0.9] * count if scores is None else scores, np.float32)
    return Detections(boxes_of(boxes), scores, np.array([0] * count if kinds is None else kinds, np.int32))


BOX, FAR = (10, 10, 50, 50), (100, 100, 150, 150)


def test_everything_found_exactly_is_one():
    result = score([truth(BOX, FAR, kinds=[0, 1])], [found(BOX, FAR, kinds=[0, 1])], LABELS)
    assert (result.map50_95, result.map50) == (1, 1)


def test_nothing_found_is_zero():
    assert score([truth(BOX)], [Detections.none()], LABELS).map50_95 == 0


def test_a_class_that_is_not_shown_has_no_score():
    classes = score([truth(BOX)], [found(BOX)], LABELS).classes
    assert [(one.label, one.objects, one.ap50) for one in classes] == [
        ("person", 1, 1),
        ("car", 0, None),
        ("bus", 0, None),
    ]


def test_a_class_that_is_missed_counts():
    assert score([truth(BOX, FAR, kinds=[0, 1])], [found(BOX)], LABELS).map50 == 0.5


def test_a_loose_box_counts_at_low_iou_alone():
    loose = (10, 10, 50, 42)  # IoU 0.8: it passes 0.50 to 0.80, seven thresholds of ten
    result = score([truth(BOX)], [found(loose)], LABELS)
    assert (round(result.map50_95, 4), result.map50) == (0.7, 1)


def test_the_wrong_class_is_not_found():
    assert score([truth(BOX)], [found(BOX, kinds=[1])], LABELS).map50 == 0


def test_a_false_alarm_ahead_of_the_truth_halves_precision():
    assert round(score([truth(BOX)], [found(FAR, BOX, scores=[0.9, 0.8])], LABELS).map50, 4) == 0.5


def test_a_crowd_is_neither_object_nor_false_alarm():
    result = score([truth(BOX, FAR, crowd=[False, True])], [found(FAR, BOX, scores=[0.9, 0.8])], LABELS)
    assert (result.map50, result.classes[0].objects) == (1, 1)


def test_empty_pictures_count_false_alarms():
    assert score([truth(BOX), truth()], [found(BOX, scores=[0.5]), found(BOX)], LABELS).map50 == 0.5


def test_a_set_without_objects():
    with pytest.raises(DataError, match="shows no object"):
        score([truth()], [found(BOX)], LABELS)


def test_scoring_prints_nothing(capfd):
    score([truth(BOX)], [found(BOX)], LABELS)
    assert capfd.readouterr() == ("", "")
