import numpy as np
import pytest
from onnx import ModelProto, TensorProto, helper

from streamd.int8 import graph as graphs
from streamd.int8.sensitivity.parts import last_tensors, score_masks, tell_apart
from streamd.manifest import Input, Manifest, Output


def told(model, manifest, picture, run):
    graph = graphs.prepare(model)
    names = last_tensors(graph)
    copy = graphs.Graph(graph.model)
    values = run(observed(graph.model, names), picture, [*names, *graph.outputs])
    return graph, values, tell_apart(copy, manifest, values | {"images": picture})


def observed(model, names):
    copy = ModelProto()
    copy.CopyFrom(model)
    own = {value.name for value in copy.graph.output}
    copy.graph.output.extend(
        helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names if name not in own
    )
    return copy


def test_boxes_and_scores_are_told_apart_in_a_head_that_joins_and_splits_them(detector_model, pictures, run):
    manifest = Manifest("yolov8", tuple("abcde"), Input("images", 64, 64))
    graph, values, parts = told(detector_model, manifest, pictures[0], run)
    makers = {name: graph.producer[name].name for name in parts.tensors}
    assert {makers[name]: bool(mask.all()) for name, mask in parts.scores.items()} == {
        "box0_last": False, "cls0_last": True, "box1_last": False, "cls1_last": True,
    }  # fmt: skip
    assert not any(mask.any() for name, mask in parts.scores.items() if makers[name].startswith("box"))
    vectors = parts.split(values)
    assert {part: vector.size for part, vector in vectors.items()} == {"boxes": 64 * 320, "scores": 5 * 320}


def mixed(net, classes=3, anchors=2):
    """YOLOv5: one layer gives boxes, objectness and classes of every anchor."""
    channels = anchors * (5 + classes)
    x = net.conv(net.layer("images", 3, 8, 3, strides=[8, 8]), 8, channels, name="last")
    x = net.node("Reshape", x, net.constant(np.array([1, anchors, 5 + classes, -1], np.int64)))
    x = net.node("Sigmoid", net.node("Transpose", x, perm=[0, 1, 3, 2]))
    return net.model(net.node("Reshape", x, net.constant(np.array([1, -1, 5 + classes], np.int64))))


def test_channels_of_a_mixed_layer_are_told_apart_one_by_one(net, pictures, run):
    manifest = Manifest("yolov5", tuple("abc"), Input("images", 64, 64))
    _, _, parts = told(mixed(net), manifest, pictures[0], run)
    (mask,) = parts.scores.values()
    assert mask.tolist() == ([False] * 4 + [True] * 4) * 2


def test_raw_maps_are_told_apart_by_their_channels(net, pictures, run):
    model = net.model(net.conv(net.layer("images", 3, 8, 3, strides=[8, 8]), 8, 3 * 7, name="last"))
    manifest = Manifest("yolov3", ("a", "b"), Input("images", 64, 64), anchors=((1.0, 2, 3, 4, 5, 6),))
    _, _, parts = told(model, manifest, pictures[0], run)
    (mask,) = parts.scores.values()
    assert mask.tolist() == ([False] * 4 + [True] * 3) * 3


def test_all_that_a_classifier_says_are_scores(classifier_model, run):
    manifest = Manifest("classify", (), Input("images", 8, 8, colour="gray"))
    picture = np.random.default_rng(0).random((1, 1, 8, 8)).astype(np.float32)
    _, values, parts = told(classifier_model, manifest, picture, run)
    assert {part: vector.size for part, vector in parts.split(values).items()} == {"scores": 10}


def test_a_head_that_is_not_known_is_compared_as_one(detector_model, pictures, run):
    manifest = Manifest("efficient_nms", tuple("abcde"), Input("images", 64, 64))
    _, values, parts = told(detector_model, manifest, pictures[0], run)
    assert {part: vector.size for part, vector in parts.split(values).items()} == {"answers": 69 * 320}


@pytest.mark.parametrize(
    ("head", "shape", "scores"),
    [
        ("yolov8", (1, 9, 2), [0] * 4 + [1] * 5),
        ("obb", (1, 10, 2), [0] * 4 + [1] * 5 + [0]),
        ("yolox", (1, 2, 10), [0] * 4 + [1] * 6),
        ("end2end", (1, 2, 6), [0, 0, 0, 0, 1, 0]),
    ],
)
def test_each_layout_says_which_values_are_scores(head, shape, scores):
    manifest = Manifest(head, tuple("abcde"), Input("images", 64, 64), (Output("o", shape),))
    (mask,) = score_masks(manifest, [np.zeros(shape, np.float32)])
    rows = mask[0, :, 0] if head in {"yolov8", "obb"} else mask[0, 0]
    assert rows.astype(int).tolist() == scores
