import numpy as np
import pytest
from onnx import TensorProto

from streamd.int8 import graph as graphs
from streamd.int8 import qdq
from streamd.int8.calibrate import calibrate
from streamd.int8.half import to_half
from streamd.int8.placement import plan
from streamd.int8.scales import choose
from streamd.int8.thresholds import minmax
from streamd.int8.view import View


@pytest.fixture(scope="module")
def graph(detector_model):
    return graphs.prepare(detector_model)


@pytest.fixture(scope="module")
def file(graph, pictures):
    placement = plan(graph)
    return qdq.write(graph, placement, choose(graph, placement, calibrate(graph, pictures), minmax))


def test_without_its_pairs_a_file_is_the_model_that_it_was_made_of(graph, file):
    bare = View(file).bare
    assert [(node.name, node.op_type) for node in bare.nodes] == [(node.name, node.op_type) for node in graph.nodes]
    for one, other in zip(bare.nodes, graph.nodes, strict=True):
        assert [name for name in one.input if name in bare.producer] == [
            name for name in other.input if name in graph.producer
        ]


def test_constants_stand_for_what_their_codes_mean(graph, file):
    bare = View(file).bare
    (one,) = (node for node in bare.nodes if node.name == "stem")
    (other,) = (node for node in graph.nodes if node.name == "stem")
    weight = graph.constant(other.input[1])
    step = np.abs(weight).max() / 127
    assert np.abs(bare.constant(one.input[1]) - weight).max() <= 0.51 * step


def test_the_casts_of_a_file_of_two_types_are_looked_through(graph, file):
    half = View(to_half(file, "net", plan(graph).head.decode))
    assert not any(node.op_type == "Cast" for node in half.graph.nodes)
    assert half.head.last == View(file).head.last == plan(graph).head.last


def test_a_pair_is_found_through_what_only_moves_values(net):
    scale, zero = net.constant(np.float32(0.1)), net.constant(np.int8(0))
    q = net.node("QuantizeLinear", "images", scale, zero, name="Q")
    x = net.node("DequantizeLinear", q, scale, zero, name="DQ")
    x = net.node("Transpose", net.node("Transpose", x, perm=[0, 1, 3, 2]), perm=[0, 1, 3, 2])
    y = net.node("QuantizeLinear", x, scale, zero, name="next")
    view = View(net.model(net.node("Relu", x), net.node("DequantizeLinear", y, scale, zero, name="last")))
    assert view.source(x).name == "DQ"
    assert view.source("images") is None
    dequantized = next(node.output[0] for node in view.graph.nodes if node.name == "DQ")
    assert [node.name for node in view.sinks(dequantized)] == ["next"]


@pytest.mark.parametrize(
    ("zero", "more", "codes"),
    [
        (np.int8(0), {}, "int8"),
        (np.uint8(128), {}, "uint8"),
        (None, {}, "uint8"),
        (None, {"output_dtype": TensorProto.INT8}, "int8"),
    ],
)
def test_codes_are_of_the_type_of_the_zero_point_or_else_of_onnxs_own(net, zero, more, codes):
    given = [net.constant(np.float32(0.1))] + ([] if zero is None else [net.constant(zero)])
    x = net.node("QuantizeLinear", "images", *given, name="Q", **more)
    view = View(net.model(net.node("DequantizeLinear", x, *given, name="DQ"), opset=21))
    q, dq = view.pairs
    assert view.codes(q) == codes
    assert view.codes(dq) == ("" if zero is None else codes)
