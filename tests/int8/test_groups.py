import numpy as np
import pytest

from streamd.int8 import graph as graphs
from streamd.int8 import hard, qdq
from streamd.int8.calibrate import calibrate
from streamd.int8.groups import float_share, groups, multiply_adds, only, without
from streamd.int8.placement import plan
from streamd.int8.scales import choose
from streamd.int8.segments import inferred
from streamd.int8.thresholds import minmax

SHAPE = (1, 3, 64, 64)


@pytest.fixture
def graph(detector_model):
    return graphs.prepare(detector_model)


def test_every_quantized_tensor_and_layer_is_in_one_group(graph):
    placement = plan(graph)
    found = groups(graph, placement)
    assert sorted(name for group in found for name in group.tensors) == sorted(placement.tensors)
    assert sorted(name for group in found for name in group.layers) == sorted(placement.layers)


def test_groups_come_by_depth_and_no_reader_comes_before_their_start(graph):
    placement = plan(graph)
    order = [node.name for node in graph.nodes]
    starts = [group.start for group in groups(graph, placement)]
    assert starts == sorted(starts)
    for group in groups(graph, placement):
        assert min(order.index(node) for name in group.tensors for node, _ in placement.readers[name]) == group.start


def test_a_group_is_called_after_its_first_layer(graph):
    assert groups(graph, plan(graph))[0].name == "stem"


def test_multiply_adds_are_outputs_times_what_each_sums_up(graph):
    _, sizes = inferred(graph, SHAPE)
    counts = multiply_adds(graph, sizes)
    assert counts["stem"] == 32 * 32 * 16 * 3 * 9
    assert counts["c2f_in"] == 16 * 16 * 32 * 32
    (stem,) = (group for group in groups(graph, plan(graph), sizes) if group.name == "stem")
    assert stem.macs == counts["stem"]


def test_the_share_left_in_float_is_that_of_the_multiply_adds(graph):
    _, sizes = inferred(graph, SHAPE)
    counts = multiply_adds(graph, sizes)
    assert float_share(graph, list(counts), sizes) == 0
    assert float_share(graph, [name for name in counts if name != "stem"], sizes) == pytest.approx(
        counts["stem"] / sum(counts.values())
    )


def test_left_out_groups_are_in_float_and_the_others_as_they_were(graph, pictures):
    placement = plan(graph)
    scales = choose(graph, placement, calibrate(graph, pictures), minmax)
    left = [group for group in groups(graph, placement) if group.name in {"stem", "m1"}]
    rest = without(placement, left)
    gone = {name for group in left for name in group.tensors}
    assert set(rest.tensors) == set(placement.tensors) - gone
    assert set(rest.kept) == {name for group in left for name in group.layers}
    model = qdq.write(graph, rest, only(scales, rest.tensors))
    quantized = {node.input[0] for node in model.graph.node if node.op_type == "QuantizeLinear"}
    assert quantized == set(rest.tensors)
    on_the_cpu = qdq.write(graph, rest, only(scales, rest.tensors), qdq.CPU)
    assert gone.isdisjoint(node.input[0] for node in on_the_cpu.graph.node if node.op_type == "QuantizeLinear")
    weights = {node.name for node in model.graph.node if node.name.endswith("/weight/DQ")}
    assert weights == {f"{name}/weight/DQ" for name in rest.layers}


def test_the_placement_without_nothing_is_itself(graph):
    placement = plan(graph)
    assert without(placement, []) == placement


def test_depthwise_layers_count_their_own_channels_only(net):
    model = net.model(net.conv(net.conv("images", 3, 8, name="a"), 8, 8, 3, group=8, name="b"))
    graph = graphs.prepare(model)
    _, sizes = inferred(graph, SHAPE)
    assert multiply_adds(graph, sizes)["b"] == np.prod((64, 64, 8, 9))


def test_what_a_layer_gives_straight_to_one_left_in_float_is_not_quantized_on_the_cpu(detector_model, pictures):
    graph = graphs.prepare(detector_model)
    tensor = hard.candidates(graph)[0]
    hard.spread(graph, tensor, 256.0, np.random.default_rng(0))
    whole = plan(graph)
    scales = choose(graph, whole, calibrate(graph, pictures), minmax)
    name = f"{tensor}{hard.SUFFIX}"
    rest = without(whole, [group for group in groups(graph, whole) if name in group.tensors])

    def quantized(placement):
        model = qdq.write(graph, placement, only(scales, placement.tensors), qdq.CPU)
        return {node.input[0] for node in model.graph.node if node.op_type == "QuantizeLinear"}

    assert name in quantized(whole)
    assert name not in quantized(rest)


def test_a_transposed_layer_multiplies_each_input_with_its_kernel(net):
    x = net.layer("images", 3, 8, name="first")
    weight = net.constant(np.ones((8, 2, 4, 4), np.float32))
    x = net.node("ConvTranspose", x, weight, strides=[2, 2], pads=[1] * 4, group=2, name="up")
    graph = graphs.prepare(net.model(net.conv(x, 4, 4, name="last")))
    _, sizes = inferred(graph, SHAPE)
    assert multiply_adds(graph, sizes)["up"] == 64 * 64 * 8 * (2 * 4 * 4)


def test_a_stack_of_matrices_sums_up_the_rows_of_one(net):
    x = net.node("MatMul", "images", net.constant(np.ones((3, 64, 16), np.float32)), name="product")
    graph = graphs.prepare(net.model(net.node("MatMul", x, net.constant(np.ones((16, 4), np.float32)), name="last")))
    _, sizes = inferred(graph, SHAPE)
    assert multiply_adds(graph, sizes)["product"] == 3 * 64 * 16 * 64
