import numpy as np
import pytest

from streamd.errors import ModelError
from streamd.postprocess import HEADS

BOX = [100, 50, 300, 250]
OTHER = [310, 200, 400, 420]


def row_of(geometry, box, score, class_id):
    return (*geometry.to_input(np.array([box], np.float32))[0], score, class_id)


def test_each_row_is_read_with_its_own_geometry_best_first(manifest, geometries, found):
    output = np.zeros((2, 300, 6), np.float32)
    output[0, 3] = row_of(geometries[0], OTHER, 0.5, 2)
    output[0, 9] = row_of(geometries[0], BOX, 0.75, 1)
    output[1, 0] = row_of(geometries[1], BOX, 0.25, 0)
    wide, tall = HEADS["end2end"](manifest("end2end"))([output], geometries)
    found(wide, (1, 0.75, BOX), (2, 0.5, OTHER))
    found(tall, (0, 0.25, BOX))


def test_nothing_is_suppressed(manifest, geometries):
    output = np.array([[row_of(geometries[0], BOX, score, 1) for score in (0.9, 0.8)]], np.float32)
    assert len(HEADS["end2end"](manifest("end2end"))([output], geometries[:1])[0]) == 2


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("at", range(6))
def test_nan_never_gets_out(manifest, geometries, at):
    output = np.array([[row_of(geometries[0], BOX, 0.9, 1)]], np.float32)
    output[0, 0, at] = np.nan
    assert len(HEADS["end2end"](manifest("end2end"))([output], geometries[:1])[0]) == 0


@pytest.mark.parametrize("class_id", [3, -1])
def test_a_class_without_a_label_is_named(manifest, geometries, class_id):
    output = np.array([[row_of(geometries[0], BOX, 0.9, class_id)]], np.float32)
    with pytest.raises(ModelError, match=f"found class {class_id}, the manifest has 3 labels"):
        HEADS["end2end"](manifest("end2end"))([output], geometries[:1])


def test_a_class_without_a_label_is_nothing_when_unsure(manifest, geometries):
    output = np.array([[row_of(geometries[0], BOX, 0.1, -1)]], np.float32)
    assert len(HEADS["end2end"](manifest("end2end"))([output], geometries[:1])[0]) == 0


def test_another_shape_is_named(manifest, geometries):
    with pytest.raises(ModelError, match=r"reads one \(N, k, 6\)"):
        HEADS["end2end"](manifest("end2end"))([np.zeros((1, 300, 7), np.float32)], geometries[:1])
