"""Graphs with what float16 cannot hold or ONNX gives no float16, and the half file of the small detector."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from streamd.int8 import graph as graphs
from streamd.int8 import qdq
from streamd.int8.calibrate import calibrate
from streamd.int8.half import to_half
from streamd.int8.placement import plan
from streamd.int8.scales import choose
from streamd.int8.thresholds import minmax

FLOAT = TensorProto.FLOAT


@pytest.fixture
def halved(run, pictures):
    """Turn a model to float16, hold it against the float one, and return it."""

    def halved(model, limit=0.01):
        graph = graphs.prepare(model)
        half = to_half(graph.model, "net")
        onnx.checker.check_model(half, full_check=True)
        expected = run(graph.model, pictures[0])
        for fused in (False, True):
            for name, value in run(half, pictures[0], fused=fused).items():
                if limit is not None:
                    np.testing.assert_allclose(value, expected[name], rtol=limit, atol=limit)
        return half

    return halved


def types(model):
    return {v.name: v.type.tensor_type.elem_type for v in onnx.shape_inference.infer_shapes(model).graph.value_info}


def test_what_is_added_to_a_divisor_does_not_vanish(net, halved):
    zero = net.node("Mul", "images", net.constant(np.float32(0)))
    halved(net.model(net.node("Div", zero, net.node("Add", zero, net.constant(np.float32(1e-12))))))


@pytest.mark.parametrize("value", [None, 2.0])
def test_a_constant_of_a_shape_meets_float16(net, halved, value):
    shape = net.constant(np.array([1, 3, 64, 64], np.int64))
    held = {} if value is None else {"value": helper.make_tensor("v", FLOAT, [1], [value])}
    halved(net.model(net.node("Add", "images", net.node("ConstantOfShape", shape, **held))))


@pytest.mark.parametrize("dtype", [{}, {"dtype": FLOAT}])
def test_random_numbers_meet_float16(net, halved, dtype):
    made = [net.node("RandomNormal", shape=[64, 64], **dtype), net.node("RandomUniform", shape=[64, 64], **dtype)]
    made.append(net.node("RandomNormalLike", net.node("Relu", "images"), **dtype))
    halved(net.model(net.node("Sum", "images", *made)), limit=None)


@pytest.mark.parametrize("dtype", [{}, {"dtype": FLOAT}])
def test_an_identity_matrix_meets_float16(net, halved, dtype):
    square = net.node("Reshape", net.node("Relu", "images"), net.constant(np.array([192, 64], np.int64)))
    halved(net.model(net.node("MatMul", square, net.node("Slice", net.node("EyeLike", square, **dtype),
                     *map(net.constant, np.array([[0], [64]]))))))  # fmt: skip


def test_what_knows_no_float16_is_given_float32(net, halved):
    line = net.node("Range", *(net.constant(np.float32(value)) for value in (0, 64, 1)))
    corners = net.node("Reshape", net.node("Add", "images", line), net.constant(np.array([1, -1, 4], np.int64)))
    scores = net.node("Reshape", net.node("Relu", "images"), net.constant(np.array([1, 4, -1], np.int64)))
    scores = net.node("Slice", scores, *map(net.constant, np.array([[0], [3072], [2]])))
    chosen = net.node("NonMaxSuppression", corners, scores, net.constant(np.array([5], np.int64)))
    model = net.model(net.node("Cast", chosen, to=FLOAT))
    onnx.checker.check_model(model)
    halved(model, limit=None)


def test_sizes_are_computed_in_single_precision(net, halved):
    size = net.node("Cast", net.node("Shape", net.node("Relu", "images")), to=FLOAT)
    odd = net.node("Mul", net.node("Add", size, net.constant(np.float32(4033))), net.constant(np.float32(1)))
    halved(net.model(net.node("Cast", net.node("Cast", odd, to=TensorProto.INT64), to=FLOAT)), limit=1e-9)


def test_a_branch_stays_in_single_precision_and_reads_what_it_needs(net, halved):
    x = net.node("Relu", net.conv("images", 3, 4))
    offset = net.constant(np.float32(0.5))

    def branch(op):
        inside = [helper.make_node(op, [x, offset], ["made"]), helper.make_node("Neg", ["made"], ["out"])]
        own = [helper.make_tensor("own", FLOAT, [1], [1.0])]
        inside.append(helper.make_node("Mul", ["out", "own"], ["y"]))
        return helper.make_graph(inside, op, [], [helper.make_tensor_value_info("y", FLOAT, None)], own)

    above = net.node("Greater", net.node("ReduceMean", x, keepdims=0), net.constant(np.float32(0.1)))
    y = net.node("If", above, then_branch=branch("Add"), else_branch=branch("Sub"))
    half = halved(net.model(net.conv(net.node("Relu", y), 4, 4, name="after"), x))
    after = next(node for node in half.graph.node if node.name == "after")
    assert types(half)[after.output[0]] == TensorProto.FLOAT16


def test_tensors_in_a_list_stay_in_single_precision(net, halved):
    parts = net.node("SequenceConstruct", net.node("Relu", "images"), net.node("Neg", "images"))
    halved(net.model(net.node("Relu", net.node("ConcatFromSequence", parts, axis=1))))


def test_what_comes_after_an_operator_of_others_stays_in_float32(net, run, pictures):
    made = net.node("Relu", net.conv("images", 3, 4), name="other")
    model = net.model(net.conv(net.node("Relu", made), 4, 4))
    (other,) = (node for node in model.graph.node if node.name == "other")
    other.op_type, other.domain = "Gelu", "com.microsoft"
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    graph = graphs.prepare(model)
    half = to_half(graph.model, "net")
    expected = run(graph.model, pictures[0])
    for name, value in run(half, pictures[0]).items():
        np.testing.assert_allclose(value, expected[name], rtol=0.01, atol=0.01)


class Written:
    """The small detector as it is written for TensorRT in single precision."""

    def __init__(self, model, pictures):
        graph = graphs.prepare(model)
        placement = plan(graph)
        self.decode = placement.head.decode
        self.model = qdq.write(graph, placement, choose(graph, placement, calibrate(graph, pictures), minmax))


@pytest.fixture(scope="module")
def written(detector_model, pictures):
    return Written(detector_model, pictures)


def constants(model):
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}


def close(a, b, limit):
    return np.abs(a - b).max() <= limit * np.abs(a).max()


def test_the_half_file_takes_and_gives_float_and_answers_alike(written, pictures, run):
    single = written.model
    half = to_half(single, "net", written.decode)
    onnx.checker.check_model(half, full_check=True)
    assert {value.type.tensor_type.elem_type for value in [*half.graph.input, *half.graph.output]} == {
        TensorProto.FLOAT
    }
    (a,), (b,) = (run(model, pictures[0]).values() for model in (single, half))
    assert close(a, b, 0.05)


def test_the_half_file_has_the_same_scales_in_single_precision(written):
    single, half = constants(written.model), constants(to_half(written.model, "net"))
    scales = [name for name in single if name.endswith("/scale")]
    assert scales
    for name in scales:
        assert half[name].dtype == np.float32
        assert np.array_equal(half[name], single[name])


def test_onnx_runtime_runs_the_half_file_with_all_its_fusions(written, pictures, run):
    half = to_half(written.model, "net", written.decode)
    (a,), (b,) = (run(half, pictures[0], fused=fused).values() for fused in (False, True))
    assert close(a, b, 0.05)


def test_decoding_stays_in_single_precision(written):
    half = to_half(written.model, "net", written.decode)
    types = {v.name: v.type.tensor_type.elem_type for v in onnx.shape_inference.infer_shapes(half).graph.value_info}
    softmax = next(node for node in half.graph.node if node.op_type == "Softmax")
    conv = next(node for node in half.graph.node if node.name == "box0_last")
    assert (types[softmax.output[0]], types[conv.output[0]]) == (TensorProto.FLOAT, TensorProto.FLOAT16)
