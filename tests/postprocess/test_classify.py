import numpy as np
import pytest

from streamd.errors import ModelError
from streamd.postprocess import HEADS
from streamd.postprocess.classify import probabilities


def test_the_whole_picture_is_the_box(manifest, geometries, found):
    output = np.array([[0.05, 0.9, 0.05], [0.6, 0.1, 0.3]], np.float32)
    wide, tall = HEADS["classify"](manifest("classify"))([output], geometries)
    found(wide, (1, 0.9, [0, 0, 1280, 720]))
    found(tall, (0, 0.6, [0, 0, 480, 640]), (2, 0.3, [0, 0, 480, 640]))


def test_logits_become_probabilities():
    np.testing.assert_allclose(probabilities(np.log(np.array([2, 6], np.float32)) + 50), (0.25, 0.75), rtol=1e-5)


def test_probabilities_stay():
    values = np.array([0.25, 0.75], np.float32)
    assert probabilities(values) is values


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("garbage", [np.nan, np.inf, -np.inf])
def test_garbage_is_no_answer(manifest, geometries, garbage):
    output = np.array([[garbage, 1, 2]], np.float32)
    assert len(HEADS["classify"](manifest("classify"))([output], geometries[:1])[0]) == 0


def test_classes_and_the_limit_choose(manifest, geometries):
    output = np.array([[0.3, 0.3, 0.4]], np.float32)
    head = HEADS["classify"](manifest("classify"), classes=frozenset({0, 1}), max_detections=1)
    assert head([output], geometries[:1])[0].class_ids.tolist() == [0]


def test_trailing_ones_are_no_hindrance(manifest, geometries):
    output = np.array([0, 1, 0], np.float16).reshape(1, 3, 1, 1)
    assert HEADS["classify"](manifest("classify"))([output], geometries[:1])[0].class_ids.tolist() == [1]


def test_another_number_of_classes_is_named(manifest, geometries):
    with pytest.raises(ModelError, match=r"reads one \(N, 3\); the model gave float32 \(1, 1000\)"):
        HEADS["classify"](manifest("classify"))([np.zeros((1, 1000), np.float32)], geometries[:1])
