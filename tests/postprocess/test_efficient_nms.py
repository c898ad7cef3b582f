import itertools

import numpy as np
import pytest

from streamd.errors import ModelError
from streamd.manifest import Output
from streamd.postprocess import HEADS

BOX = [100, 50, 300, 250]
OTHER = [310, 200, 400, 420]


@pytest.fixture
def outputs(geometries):
    """Two pictures: the first of two things, the second of one; what follows the counted rows is garbage."""
    boxes = np.full((2, 100, 4), 5e8, np.float32)
    scores = np.full((2, 100), 0.99, np.float32)
    classes = np.full((2, 100), -1, np.int32)
    for row, at, box, score, class_id in ((0, 0, BOX, 0.9, 1), (0, 1, OTHER, 0.6, 2), (1, 0, OTHER, 0.5, 0)):
        boxes[row, at] = geometries[row].to_input(np.array([box], np.float32))[0]
        scores[row, at], classes[row, at] = score, class_id
    return [np.array([[2], [1]], np.int32), boxes, scores, classes]


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_outputs_are_told_apart_by_shape(manifest, geometries, outputs, found, order):
    head = HEADS["efficient_nms"](manifest("efficient_nms"))
    wide, tall = head([outputs[place] for place in order], geometries)
    found(wide, (1, 0.9, BOX), (2, 0.6, OTHER))
    found(tall, (0, 0.5, OTHER))


def test_names_tell_apart_what_shapes_cannot(manifest, geometries, outputs, found):
    counts, boxes, scores, classes = (output[:, :1] for output in outputs)
    named = tuple(Output(name, ()) for name in ("det_classes", "det_scores", "det_boxes", "num_dets"))
    head = HEADS["efficient_nms"](manifest("efficient_nms", outputs=named))
    found(head([classes.astype(np.float32), scores, boxes, counts], geometries)[0], (1, 0.9, BOX))


def test_what_cannot_be_told_apart_is_refused(manifest, geometries, outputs):
    with pytest.raises(ModelError, match="named so in the manifest or told apart"):
        HEADS["efficient_nms"](manifest("efficient_nms"))([output[:, :1] for output in outputs], geometries)


def test_one_output_is_not_enough(manifest, geometries, outputs):
    with pytest.raises(ModelError, match="counts"):
        HEADS["efficient_nms"](manifest("efficient_nms"))(outputs[1:2], geometries)


@pytest.mark.parametrize("count", [0, -3])
def test_no_count_is_nothing(manifest, geometries, outputs, count):
    outputs[0][:] = count
    assert [len(found) for found in HEADS["efficient_nms"](manifest("efficient_nms"))(outputs, geometries)] == [0, 0]


def test_the_threshold_and_the_classes_count_here_too(manifest, geometries, outputs, found):
    head = HEADS["efficient_nms"](manifest("efficient_nms"), confidence=0.55, classes=frozenset({0, 2}))
    wide, tall = head(outputs, geometries)
    found(wide, (2, 0.6, OTHER))
    found(tall)
