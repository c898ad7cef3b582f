import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, numpy_helper

from streamd.int8 import graph as graphs
from streamd.int8 import qdq
from streamd.int8.calibrate import calibrate
from streamd.int8.placement import plan
from streamd.int8.scales import choose
from streamd.int8.thresholds import minmax

SHIFTED = qdq.Profile(signed=False, integer_layers=False)  # the codes of the CPU file, without its additions


class Made:
    def __init__(self, model, pictures, keep=lambda _: False):
        self.graph = graphs.prepare(model)
        self.placement = plan(self.graph, keep)
        self.scales = choose(self.graph, self.placement, calibrate(self.graph, pictures), minmax)

    def write(self, profile=qdq.TENSORRT):
        return qdq.write(self.graph, self.placement, self.scales, profile)


@pytest.fixture(scope="module")
def detector(detector_model, pictures):
    return Made(detector_model, pictures)


@pytest.fixture(scope="module")
def classifier(classifier_model):
    random = np.random.default_rng(2)
    return Made(classifier_model, [random.random((1, 1, 8, 8)).astype(np.float32) for _ in range(8)])


def nodes(model, op):
    return [node for node in model.graph.node if node.op_type == op]


def values(model):
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}


def observe(model, names):
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    copy.graph.output.extend(onnx.helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names)
    return copy


def close(a, b, limit):
    return np.abs(a - b).max() <= limit * np.abs(a).max()


@pytest.mark.parametrize("profile", [qdq.TENSORRT, qdq.CPU, qdq.CPU_WITHOUT_VNNI])
def test_every_file_is_valid_onnx(detector, classifier, profile):
    for made in (detector, classifier):
        onnx.checker.check_model(made.write(profile), full_check=True)


@pytest.mark.parametrize("profile", [qdq.TENSORRT, qdq.CPU])
@pytest.mark.parametrize("fused", [False, True])
def test_every_file_answers_nearly_as_the_float_model(detector, pictures, run, profile, fused):
    (expected,) = run(detector.graph.model, pictures[0]).values()
    (got,) = run(detector.write(profile), pictures[0], fused=fused).values()
    assert close(expected, got, 0.05)


def test_the_two_files_have_the_same_codes_in_front_of_every_layer(detector, pictures, run):
    names = [f"{name}/dequantized" for name in detector.placement.tensors]
    signed, shifted = (observe(detector.write(profile), names) for profile in (qdq.TENSORRT, SHIFTED))
    for picture in pictures:
        a, b = run(signed, picture, names), run(shifted, picture, names)
        assert all(np.array_equal(a[name], b[name]) for name in names)


def test_what_both_files_quantize_has_the_same_parameters(detector):
    tensorrt, cpu = values(detector.write()), values(detector.write(qdq.CPU))
    for name in detector.placement.tensors:
        if name == "images":  # read by the stem alone
            continue
        assert tensorrt[f"{name}/scale"] == cpu[f"{name}/scale"]
        assert (tensorrt[f"{name}/zero"], cpu[f"{name}/zero"]) == (0, 128)
        assert (tensorrt[f"{name}/zero"].dtype, cpu[f"{name}/zero"].dtype) == (np.int8, np.uint8)
    for name in detector.placement.layers[1:]:
        assert np.array_equal(tensorrt[f"{name}/weight/quantized"], cpu[f"{name}/weight/quantized"])
        assert np.array_equal(tensorrt[f"{name}/weight/scale"], cpu[f"{name}/weight/scale"])


def test_the_cpu_file_runs_its_layers_in_integers(detector, tmp_path):
    options = ort.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
    ort.InferenceSession(detector.write(qdq.CPU).SerializeToString(), options, providers=["CPUExecutionProvider"])
    kinds = [node.op_type for node in onnx.load(options.optimized_model_filepath).graph.node]
    # the layers before the head give their results to float convolutions, but are themselves integer
    assert kinds.count("QLinearConv") == len(detector.placement.layers) - 1  # and the stem reads three channels
    assert kinds.count("QLinearConcat") == 3
    assert "QLinearAdd" in kinds


def test_one_pair_a_tensor(detector):
    for profile in (qdq.TENSORRT, qdq.CPU):
        quantized = [node.input[0] for node in nodes(detector.write(profile), "QuantizeLinear")]
        assert len(quantized) == len(set(quantized))


def test_nothing_stands_between_a_layer_and_its_activation(detector):
    model = detector.write()
    quantized = {node.input[0] for node in nodes(model, "QuantizeLinear")}
    assert not quantized & {node.output[0] for node in nodes(model, "Conv")}


def test_biases_of_the_tensorrt_file_stay_in_float(detector):
    assert not [name for name in values(detector.write()) if "/bias/" in name]


def test_graph_outputs_are_not_quantized(detector):
    for profile in (qdq.TENSORRT, qdq.CPU):
        model = detector.write(profile)
        producer = {name: node.op_type for node in model.graph.node for name in node.output}
        assert [producer[value.name] for value in model.graph.output] == ["Concat"]


def test_the_float_weights_of_quantized_layers_are_gone(detector):
    model = detector.write()
    assert len(model.SerializeToString()) < 0.5 * len(detector.graph.model.SerializeToString())


def test_a_kept_layer_reads_and_gives_float(detector_model, pictures):
    made = Made(detector_model, pictures, lambda node: node.name == "m1")
    (node,) = (node for node in made.write().graph.node if node.name == "m1")
    assert not [name for name in node.input if name.endswith("/dequantized")]


def test_weights_of_transposed_convolutions_are_quantized_along_axis_one(net, pictures, run):
    weight = net.constant(net.random.normal(size=(8, 6, 2, 2)).astype(np.float32))
    x = net.node("ConvTranspose", net.layer("images", 3, 8), weight, strides=[2, 2], name="up")
    made = Made(net.model(net.conv(net.silu(x), 6, 4)), pictures)
    model = made.write()
    (dequantize,) = (node for node in model.graph.node if node.name == "up/weight/DQ")
    assert (dequantize.attribute[0].i, values(model)["up/weight/scale"].shape) == (1, (6,))
    (expected,), (got,) = (run(m, pictures[0]).values() for m in (made.graph.model, model))
    assert close(expected, got, 0.05)


def test_two_layers_may_share_a_weight(net, pictures, run):
    weight = net.constant(net.random.normal(size=(3, 3, 1, 1)).astype(np.float32))
    x = net.node("Conv", net.node("Relu", net.node("Conv", "images", weight)), weight)
    made = Made(net.model(net.conv(x, 3, 4)), pictures)
    for profile in (qdq.TENSORRT, qdq.CPU):
        onnx.checker.check_model(made.write(profile), full_check=True)
        run(made.write(profile), pictures[0])


def test_a_tensor_without_a_scale_stays_in_float(detector, pictures, run):
    scales = type(detector.scales)({"images": detector.scales.activations["images"]}, {})
    model = qdq.write(detector.graph, detector.placement, scales)
    assert [node.input[0] for node in nodes(model, "QuantizeLinear")] == ["images"]
    assert [node.name for node in nodes(model, "DequantizeLinear")] == ["images/DQ", "stem/weight/DQ"]
    run(model, pictures[0])


def test_reduced_range_keeps_weights_within_seven_bits(detector):
    codes = [v for k, v in values(detector.write(qdq.CPU_WITHOUT_VNNI)).items() if k.endswith("/weight/quantized")]
    assert max(np.abs(v).max() for v in codes) == 63


def test_a_classifier_keeps_its_answer(classifier, run):
    x = np.random.default_rng(2).random((1, 1, 8, 8)).astype(np.float32)
    for profile in (qdq.TENSORRT, qdq.CPU):
        (expected,), (got,) = (run(m, x).values() for m in (classifier.graph.model, classifier.write(profile)))
        assert close(expected, got, 0.1)


def test_the_cpu_file_leaves_a_layer_of_few_channels_in_float(detector):
    model = detector.write(qdq.CPU)
    (stem,) = (node for node in model.graph.node if node.name == "stem")
    assert stem.input[0] == "images"
    assert "stem/weight/quantized" not in values(model)


def test_the_cpu_file_writes_out_a_softmax_across_an_inner_axis(detector):
    assert not nodes(detector.write(qdq.CPU), "Softmax")


def test_what_a_kept_layer_reads_is_not_quantized_on_the_way_in_the_cpu_file(detector_model, pictures, run):
    made = Made(detector_model, pictures, lambda node: node.name == "m2")
    model = made.write(qdq.CPU)
    output = next(node.output[0] for node in model.graph.node if node.name == "m1")
    (kept,) = (node for node in model.graph.node if node.name == "m2")
    assert not [name for name in kept.input if name.endswith("/dequantized")]
    assert output not in {node.input[0] for node in nodes(model, "QuantizeLinear")}
    run(model, pictures[0], fused=True)


def test_a_constant_that_is_reshaped_is_not_quantized_as_if_it_were_computed(net, pictures, run):
    table = net.constant(net.random.normal(size=(8, 4096)).astype(np.float32))
    x = net.node("Reshape", table, net.constant(np.array([1, 8, 64, 64], np.int64)))
    y = net.node("Add", net.layer(x, 8, 8), net.layer("images", 3, 8))
    made = Made(net.model(net.conv(net.layer(y, 8, 8), 8, 4)), pictures)
    (expected,) = run(made.graph.model, pictures[0]).values()
    for profile in (qdq.TENSORRT, qdq.CPU):
        for fused in (False, True):
            (got,) = run(made.write(profile), pictures[0], fused=fused).values()
            assert close(expected, got, 0.05)


@pytest.mark.parametrize(("other", "floor"), [(None, 8), ("Relu", 40)])
def test_a_gates_floor_holds_only_where_nobody_else_reads_below_it(net, pictures, other, floor):
    x = net.conv(net.layer("images", 3, 8), 8, 8, name="wide")
    net.constants[-1].CopyFrom(numpy_helper.from_array(np.full(8, -50, np.float32), net.constants[-1].name))
    y = net.silu(x)
    if other:
        y = net.node("Add", y, net.node(other, net.node("Neg", x)))
    made = Made(net.model(net.conv(net.layer(y, 8, 8), 8, 4)), pictures)
    parameters = values(made.write(qdq.CPU))
    low = -float(parameters[f"{x}/scale"]) * int(parameters[f"{x}/zero"])
    assert abs(low) == pytest.approx(8, rel=0.05) if other is None else abs(low) > floor


def test_a_slices_scale_does_not_clip_those_that_read_the_whole(net, pictures, run):
    ranges = net.constant(np.array([1] * 4 + [100] * 4, np.float32).reshape(1, 8, 1, 1))
    x = net.node("Mul", net.layer("images", 3, 8), ranges)
    ends = [net.constant(np.array([v], np.int64)) for v in (0, 4, 1)]
    part = net.layer(net.node("Slice", x, *ends, name="part"), 4, 8)
    whole = net.node("GlobalAveragePool", net.node("LeakyRelu", x))
    made = Made(net.model(net.conv(net.layer(net.node("Mul", part, whole), 8, 8), 8, 4)), pictures)
    (expected,) = run(made.graph.model, pictures[0]).values()
    (got,) = run(made.write(qdq.CPU), pictures[0]).values()
    assert close(expected, got, 0.05)


def test_a_node_that_the_user_keeps_reads_float_in_both_files(detector_model, pictures):
    made = Made(detector_model, pictures, lambda node: node.name == "pool0")
    for profile in (qdq.TENSORRT, qdq.CPU):
        (pool,) = (node for node in made.write(profile).graph.node if node.name == "pool0")
        assert not pool.input[0].endswith("/dequantized")


def test_what_a_loop_takes_from_outside_is_not_moved_there_in_codes(net, pictures, run):
    """ONNX Runtime would pass the DequantizeLinear on to the loop, and abort."""
    x = net.layer("images", 3, 8)
    pooled = net.node("MaxPool", net.node("MaxPool", x, kernel_shape=[1, 1]), kernel_shape=[1, 1])
    value = onnx.helper.make_tensor_value_info
    ins = [value("i", TensorProto.INT64, []), value("go", TensorProto.BOOL, []), value("v", TensorProto.FLOAT, None)]
    outs = [value("on", TensorProto.BOOL, []), value("w", TensorProto.FLOAT, None)]
    inner = [onnx.helper.make_node("Identity", ["go"], ["on"]), onnx.helper.make_node("Add", ["v", pooled], ["w"])]
    body = onnx.helper.make_graph(inner, "body", ins, outs)
    y = net.node("Loop", net.constant(np.int64(2)), net.constant(np.array(True)), pooled, body=body)
    y = net.layer(net.node("Add", net.layer(y, 8, 8), net.layer(x, 8, 8)), 8, 8)
    made = Made(net.model(net.conv(y, 8, 4)), pictures)
    (expected,) = run(made.graph.model, pictures[0]).values()
    for profile in (qdq.TENSORRT, qdq.CPU):
        (got,) = run(made.write(profile), pictures[0], fused=True).values()
        assert close(expected, got, 0.1)


def test_the_head_reads_a_part_of_a_feature_in_float_in_both_files(net, pictures):
    x = net.layer("images", 3, 8)
    ends = [net.constant(np.array([v], np.int64)) for v in (0, 4, 1)]
    part = net.node("Slice", x, *ends, name="part")
    made = Made(net.model(net.conv(part, 4, 4, name="last"), net.conv(net.layer(x, 8, 8), 8, 4)), pictures)
    for profile in (qdq.TENSORRT, qdq.CPU):
        (node,) = (node for node in made.write(profile).graph.node if node.name == "part")
        assert node.input[0] == x


def test_a_layer_that_gives_next_to_nothing_has_a_scale_that_can_be_divided_by(detector):
    bounds = dict.fromkeys(detector.scales.bounds, (0.0, 1e-42))
    scales = type(detector.scales)(detector.scales.activations, bounds)
    written = values(qdq.write(detector.graph, detector.placement, scales, qdq.CPU))
    assert min(value.min() for name, value in written.items() if name.endswith("/scale")) >= np.finfo(np.float32).tiny
