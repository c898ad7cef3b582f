from pathlib import Path

import pytest

from streamd.errors import ModelError
from streamd.infer.describe import describe
from streamd.infer.tensors import Tensor
from streamd.manifest import Input, Manifest, Output

MODEL = Path("folder/m.onnx")
IMAGES = [Tensor("images", "float32", (1, 3, 640, 640))]
ROWS = Tensor("rows", "float32", (1, 6, 8400))
LABELS = ("person", "car")


def sidecar(**changes):
    inputs = {"name": "images", "width": 640, "height": 640} | changes.pop("input", {})
    return Manifest(**({"head": "yolov8", "labels": LABELS, "input": Input(**inputs)} | changes))


def test_a_manifest_that_agrees_is_completed():
    found = describe(MODEL, sidecar(), IMAGES, [ROWS], {})
    assert (found.outputs, found.batch) == ((Output("rows", (1, 6, 8400)),), 1)


def test_a_manifest_says_which_outputs_and_in_which_order():
    more = Tensor("more", "float32", (1, 6, 8400))
    said = sidecar(outputs=(Output("more", (-1, 6, 8400)),))
    assert [output.name for output in describe(MODEL, said, IMAGES, [ROWS, more], {}).outputs] == ["more"]


def test_a_manifest_wins_over_the_metadata():
    assert describe(MODEL, sidecar(), IMAGES, [ROWS], {"names": "['a', 'b']"}).labels == LABELS


@pytest.mark.parametrize(
    ("said", "fault"),
    [
        (sidecar(input={"name": "data"}), "input name data against images"),
        (sidecar(input={"width": 320}), "input size 320x640 against 640x640"),
        (sidecar(input={"dtype": "float16"}), "input dtype float16 against float32"),
        (sidecar(input={"colour": "gray"}), "channels 1 against 3"),
        (sidecar(batch=4), "batch 4 against 1"),
        (sidecar(labels=("person",)), "1 labels against the 2 classes of output rows float32 1x6x8400"),
        (sidecar(head="yolox"), "2 labels against the 8395 classes"),
        (sidecar(outputs=(Output("out", (1, 6, 8400)),)), "output out against rows"),
        (sidecar(outputs=(Output("rows", (1, 6, 2100)),)), "output rows 1x6x2100 against 1x6x8400"),
        (sidecar(outputs=(Output("rows", (1, 6)),)), "output rows 1x6 against 1x6x8400"),
    ],
)
def test_a_disagreement_names_both_sides(said, fault):
    with pytest.raises(ModelError) as error:
        describe(MODEL, said, IMAGES, [ROWS], {})
    assert str(error.value).startswith(f"folder/m.json and m.onnx disagree: {fault}")


def test_all_disagreements_are_told_at_once():
    with pytest.raises(ModelError, match="input name data against images; input size 8x8 against 640x640"):
        describe(MODEL, sidecar(input={"name": "data", "width": 8, "height": 8}), IMAGES, [ROWS], {})


def test_a_manifest_without_labels_fits_any_number_of_classes():
    assert describe(MODEL, sidecar(labels=()), IMAGES, [ROWS], {}).labels == ()


def test_open_sides_are_settled_by_the_manifest():
    free = [Tensor("images", "float32", (-1, 3, -1, -1))]
    rows = [Tensor("rows", "float32", (-1, 6, -1))]
    found = describe(MODEL, sidecar(input={"width": 320}), free, rows, {})
    assert (found.input.width, found.batch) == (320, 0)


def test_without_a_manifest_the_shapes_tell():
    assert describe(MODEL, None, IMAGES, [ROWS], {}).labels == ("class 0", "class 1")
