import numpy as np
import onnx
import pytest
from onnx import TensorProto

from streamd.int8 import graph as graphs
from streamd.int8 import softmax


def test_a_softmax_that_is_written_out_answers_the_same(run):
    made = softmax.written_out(onnx.helper.make_node("Softmax", ["x"], ["y"], "soft"), 1)
    value = onnx.helper.make_tensor_value_info
    ends = [value("x", TensorProto.FLOAT, [2, 5, 3])], [value("y", TensorProto.FLOAT, None)]
    alone = onnx.helper.make_graph(list(made[1]), "alone", *ends, [made[0]])
    x = np.random.default_rng(0).normal(scale=50, size=(2, 5, 3)).astype(np.float32)
    model = onnx.helper.make_model(alone, opset_imports=[onnx.helper.make_opsetid("", 19)], ir_version=9)
    (got,) = run(model, x).values()
    power = np.exp(x - x.max(axis=1, keepdims=True))
    np.testing.assert_allclose(got, power / power.sum(axis=1, keepdims=True), atol=1e-6)


@pytest.mark.parametrize(("axis", "expected"), [(1, 1), (-2, -2), (2, None), (-1, None)])
def test_a_softmax_along_the_last_axis_is_left(net, axis, expected):
    x = net.node("Reshape", net.conv("images", 3, 4), net.constant(np.array([4, 64, 64], np.int64)))
    graph = graphs.prepare(net.model(net.node("Relu", net.node("Softmax", x, axis=axis, name="soft"))))
    (node,) = (node for node in graph.nodes if node.name == "soft")
    assert softmax.inner_axis(graph, node) == expected


def test_a_softmax_of_unknown_rank_is_left(net):
    x = net.node("Softmax", net.conv("images", 3, 4), axis=1)
    graph = graphs.prepare(net.model(net.node("Relu", x)))
    for value in graph.model.graph.value_info:  # as after a loop
        value.type.tensor_type.ClearField("shape")
    assert [softmax.inner_axis(graph, node) for node in graph.nodes if node.op_type == "Softmax"] == [None]
