import numpy as np
import pytest

from streamd.int8 import graph as graphs
from streamd.int8.placement import plan


@pytest.fixture
def detector(detector_model):
    return graphs.prepare(detector_model)


def by_name(graph):
    return {node.name: node for node in graph.nodes}


def test_every_layer_but_the_head_is_quantized(detector):
    layers = {node.name for node in detector.nodes if node.op_type == "Conv"}
    assert set(plan(detector).layers) == {name for name in layers if not name.endswith("_last")} - {"dfl"}


def test_nothing_stands_between_a_layer_and_its_activation(detector):
    placement = plan(detector)
    conv_outputs = {node.output[0] for node in detector.nodes if node.op_type == "Conv"}
    assert not conv_outputs & set(placement.tensors)


def test_graph_outputs_and_the_joining_of_boxes_and_scores_are_left_alone(detector):
    nodes, placement = by_name(detector), plan(detector)
    for name in ("output", "levels", "level0"):
        assert not set(nodes[name].input) & set(placement.tensors)
    assert not set(detector.outputs) & set(placement.tensors)


def group_of(placement, tensor):
    return next((set(group) for group in placement.groups if tensor in group), {tensor})


@pytest.mark.parametrize("name", ["c2f_cat", "sppf_cat", "neck_cat"])
def test_what_a_concat_joins_has_one_scale(detector, name):
    node = by_name(detector)[name]
    assert {*node.input, *node.output} <= group_of(plan(detector), node.output[0])


def test_pools_and_resizes_keep_the_scale(detector):
    nodes, placement = by_name(detector), plan(detector)
    for name in ("pool0", "pool1", "pool2", "up"):
        assert nodes[name].output[0] in group_of(placement, nodes[name].input[0])


def test_both_sides_of_a_residual_sum_share_a_scale(detector):
    node = by_name(detector)["residual"]
    assert node.input[1] in group_of(plan(detector), node.input[0])


def test_the_parts_of_a_split_share_a_scale(detector):
    a, b = by_name(detector)["split"].output
    assert b in group_of(plan(detector), a)


def test_a_sum_that_ends_a_convolution_quantizes_the_other_side_only(classifier_model):
    graph = graphs.prepare(classifier_model)
    placement = plan(graph)
    for name in ("add0", "add1"):
        node = by_name(graph)[name]
        assert (name, 0) in placement.readers.get(node.input[0], []) or name not in placement.carriers
        assert node.input[1] not in placement.tensors


def test_a_sum_before_relu_and_the_next_layer_is_quantized(classifier_model):
    assert plan(graphs.prepare(classifier_model)).carriers == ["add0"]


def test_a_carrier_that_feeds_no_layer_is_left_alone(net):
    body = net.layer("images", 3, 8, name="body")
    pooled = net.node("MaxPool", body, kernel_shape=[2, 2])
    graph = graphs.prepare(net.model(net.conv(pooled, 8, 4, name="last")))
    assert plan(graph).tensors == ("images",)


def test_what_the_user_keeps_is_left_alone_and_said(detector):
    placement = plan(detector, lambda node: node.name == "stem")
    assert (placement.kept, "images" in placement.readers) == (["stem"], False)


def test_a_smooth_resize_is_left_in_float(net):
    x = net.layer("images", 3, 8)
    scales = net.constant(np.array([1, 1, 2, 2], np.float32))
    x = net.layer(net.node("Resize", x, "", scales, mode="linear", name="up"), 8, 8)
    assert plan(graphs.prepare(net.model(net.conv(x, 8, 4)))).carriers == []


def test_a_concat_with_a_constant_is_left_in_float(net):
    x = net.node("Concat", "images", net.constant(np.zeros((1, 1, 64, 64), np.float32)), axis=1, name="cat")
    assert plan(graphs.prepare(net.model(net.conv(net.layer(x, 4, 8), 8, 4)))).carriers == []


def test_products_of_two_activations_are_left_alone(net):
    x = net.layer("images", 3, 8)
    y = net.node("MatMul", x, net.node("Transpose", x, perm=[0, 1, 3, 2]), name="attention")
    graph = graphs.prepare(net.model(net.conv(net.layer(y, 8, 8, name="next"), 8, 4)))
    assert plan(graph).layers == ["Conv0", "next"]


def test_the_whole_graph_can_be_quantized_for_comparison(detector):
    placement = plan(detector, whole=True)
    assert {"box0_last", "dfl"} <= set(placement.layers)
    assert "output" in placement.carriers


def test_what_carries_a_constant_is_left_in_float(net):
    table = net.constant(net.random.normal(size=(1, 3, 64, 64)).astype(np.float32))
    pooled = net.node("MaxPool", table, kernel_shape=[1, 1], name="pool")
    y = net.layer(net.layer(pooled, 3, 8, name="layer"), 8, 8)
    graph = graphs.prepare(net.model(net.conv(net.node("Add", net.layer("images", 3, 8), y), 8, 4)))
    placement = plan(graph)
    assert (pooled in placement.tensors, "pool" in placement.carriers) == (True, False)
    assert not set(placement.tensors) & set(graph.initializers)


def test_a_resize_to_computed_sizes_carries(net):
    x = net.layer("images", 3, 8)
    small = net.layer(net.node("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2]), 8, 8)
    up = net.node("Resize", small, "", "", net.node("Shape", x), mode="nearest", name="up")
    graph = graphs.prepare(net.model(net.conv(net.layer(net.node("Concat", up, x, axis=1), 16, 8), 8, 4)))
    assert "up" in plan(graph).carriers


def test_factors_of_a_resize_are_not_quantized(net):
    x = net.layer("images", 3, 8)
    one = net.node("Cast", net.node("Div", net.node("Shape", x), net.node("Shape", x)), to=1)
    factors = net.node("Concat", net.node("Slice", one, *map(net.constant, np.array([[0], [2]]))),
                       net.node("Slice", one, *map(net.constant, np.array([[2], [4]]))), axis=0)  # fmt: skip
    up = net.node("Resize", x, "", factors, mode="nearest", name="up")
    placement = plan(graphs.prepare(net.model(net.conv(net.layer(up, 8, 8), 8, 4))))
    assert placement.carriers == ["up"]


def test_a_single_number_is_not_quantized(net):
    x = net.layer("images", 3, 8)
    y = net.node("Add", x, net.node("ReduceMean", x, keepdims=0), name="sum")
    assert plan(graphs.prepare(net.model(net.conv(net.layer(y, 8, 8), 8, 4)))).carriers == []


def test_a_constant_that_is_moved_is_no_picture(net):
    table = net.constant(net.random.normal(size=(3, 4096)).astype(np.float32))
    x = net.node("Reshape", table, net.constant(np.array([1, 3, 64, 64], np.int64)))
    y = net.node("Add", net.layer(x, 3, 8), net.layer(net.node("Transpose", "images", perm=[0, 1, 3, 2]), 3, 8))
    placement = plan(graphs.prepare(net.model(net.conv(net.layer(y, 8, 8), 8, 4))))
    assert len(placement.pictures) == 2
