from pathlib import Path

import numpy as np
import pytest

from streamd.errors import DataError
from streamd.int8.sensitivity.outcome import Outcome
from streamd.letterbox import Letterbox
from streamd.manifest import Input, Manifest, Output
from streamd.score.truth import Truth

MANIFEST = Manifest("yolov8", ("car", "bus"), Input("images", 64, 64), (Output("o", (1, 6, 2)),))
PLACES = [Letterbox.place(64, 64, 64, 64)]


def outputs(*rows):
    """YOLOv8's layout of (centre x, centre y, width, height, car, bus)."""
    return {"o": np.array(rows, np.float32).T[None]}


def truth(kind):
    return Truth(Path("a"), np.array([[8, 8, 24, 24]], np.float32), np.array([kind], np.int32), np.zeros(1, bool))


HERE, THERE = (16, 16, 16, 16, 0.9, 0), (48, 48, 16, 16, 0, 0.8)


def test_on_labels_the_quality_is_mean_average_precision():
    outcome = Outcome(MANIFEST, PLACES, [truth(0)], ("car", "bus"))
    assert outcome.name == "mAP50-95"
    assert outcome.quality([outcome.read(outputs(HERE, THERE), 0)]) == pytest.approx(1)
    assert outcome.quality([outcome.read(outputs(THERE, THERE), 0)]) == 0


def test_classes_are_those_of_the_labels_and_others_are_dropped():
    outcome = Outcome(MANIFEST, PLACES, [truth(1)], ("person", "car"))
    found = outcome.read(outputs(HERE, THERE), 0)
    assert found.class_ids.tolist() == [1]
    assert outcome.quality([found]) == pytest.approx(1)


def test_labels_without_a_class_in_common_are_told():
    with pytest.raises(DataError, match="not one class in common"):
        Outcome(MANIFEST, PLACES, [truth(0)], ("person", "bicycle"))


def test_without_labels_it_is_agreement_at_both_overlaps():
    outcome = Outcome(MANIFEST, PLACES, confidence=0.5)
    outcome.refer([outcome.read(outputs(HERE, THERE), 0)])
    assert outcome.name == "agreement"
    assert outcome.quality([outcome.read(outputs(HERE, THERE), 0)]) == 1
    shifted = (18, 16, *HERE[2:])  # an IoU of 14 / 18
    assert outcome.quality([outcome.read(outputs(shifted, THERE), 0)]) == pytest.approx((1 + 0.5) / 2)


def test_top_1_is_that_of_a_classifier():
    manifest = Manifest("classify", ("a", "b"), Input("images", 8, 8), (Output("o", (1, 2)),))
    outcome = Outcome(manifest, PLACES, [truth(1)], ("a", "b"))
    assert outcome.name == "Top-1"
    assert outcome.quality([outcome.read({"o": np.array([[0.0, 3.0]], np.float32)}, 0)]) == 1
    assert outcome.quality([outcome.read({"o": np.array([[3.0, 0.0]], np.float32)}, 0)]) == 0


def test_of_a_fixed_batch_the_first_answer_counts():
    outcome = Outcome(MANIFEST, PLACES, [truth(0)], ("car", "bus"))
    (one, other) = outputs(HERE)["o"], outputs(THERE)["o"]
    assert outcome.quality([outcome.read({"o": np.concatenate([one, other])}, 0)]) == pytest.approx(1)


def test_a_float_model_that_finds_nothing_has_nothing_to_lose():
    outcome = Outcome(MANIFEST, PLACES, confidence=0.85)
    faint, firm = ([outcome.read(outputs(rows), 0)] for rows in (THERE, HERE))
    assert outcome.blind(faint) == "the float model finds nothing on these pictures with a confidence of 0.85"
    assert outcome.blind(firm) == ""


def test_a_float_model_that_is_always_wrong_has_nothing_to_lose():
    outcome = Outcome(MANIFEST, PLACES, [truth(0)], ("car", "bus"))
    assert outcome.blind([outcome.read(outputs(THERE), 0)]) == "the float model's mAP50-95 on these labels is 0"
    assert outcome.blind([outcome.read(outputs(HERE), 0)]) == ""
