import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from streamd.int8 import graph as graphs
from streamd.int8 import qdq
from streamd.int8.calibrate import calibrate
from streamd.int8.half import to_half
from streamd.int8.lint import lint
from streamd.int8.placement import plan
from streamd.int8.scales import choose
from streamd.int8.thresholds import minmax


@pytest.fixture(scope="module")
def files(detector_model, pictures):
    graph = graphs.prepare(detector_model)
    calibration = calibrate(graph, pictures, whole=True)
    made = {}
    for name, whole in (("trt", False), ("naive", True)):
        placement = plan(graph, whole=whole)
        scales = choose(graph, placement, calibration, minmax)
        made[name] = qdq.write(graph, placement, scales)
        made[f"{name}16"] = to_half(made[name], "net", placement.head.decode)
        made[f"{name}cpu"] = qdq.write(graph, placement, scales, qdq.CPU)
    return made


def rules(model, runtime="tensorrt"):
    return {finding.rule for finding in lint(model, runtime)}


def found(model, rule):
    return [finding for finding in lint(model) if finding.rule == rule]


def changed(model, change):
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    change(
        {tensor.name: tensor for tensor in copy.graph.initializer}, {node.name: node for node in copy.graph.node}, copy
    )
    return copy


def put(tensor, value):
    tensor.CopyFrom(numpy_helper.from_array(np.asarray(value), tensor.name))


def test_our_own_tensorrt_file_is_clean(files):
    assert lint(files["trt16"]) == []


def test_our_own_cpu_file_is_clean_for_its_runtime(files):
    assert lint(files["trtcpu"], "onnxruntime") == []


def test_a_file_in_single_precision_is_warned_of_once(files):
    assert [finding.rule for finding in lint(files["trt"])] == ["single-precision"]


def test_naive_quantization_is_an_error_at_the_joining_of_boxes_and_scores(files):
    assert {"box-and-score-concat", "quantized-head"} <= rules(files["naive16"])
    assert "output" in {finding.node for finding in found(files["naive16"], "box-and-score-concat")}


def test_the_cpu_file_is_refused_for_tensorrt(files):
    assert {"zero-point", "quantized-bias", "inside-activation"} <= rules(files["trtcpu"])


@pytest.mark.parametrize("bad", [0.0, np.nan, np.inf, -1.0])
def test_an_absurd_scale_is_an_error(files, bad):
    model = changed(files["trt16"], lambda t, n, m: put(t["images/scale"], np.float32(bad)))
    assert {finding.node for finding in found(model, "absurd-scale")} == {"images/Q", "images/DQ"}


def test_a_nonzero_zero_point_is_an_error(files):
    model = changed(files["trt16"], lambda t, n, m: put(t["images/zero"], np.int8(3)))
    assert next(finding.why for finding in found(model, "zero-point")).startswith("it has the zero point 3")


def test_of_many_zero_points_one_that_is_not_0_is_told(files):
    def change(tensors, nodes, _):
        put(tensors["stem/weight/zero"], np.eye(16, dtype=np.int8)[5])

    assert found(changed(files["trt16"], change), "zero-point")[0].why.startswith("it has the zero point 1,")


@pytest.mark.parametrize("kind", [np.uint8, np.int16, np.uint16])
def test_codes_of_another_type_are_an_error(net, kind):
    scale, zero = net.constant(np.float32(1)), net.constant(kind(0))
    codes = net.constant(np.zeros((4, 3, 1, 1), kind))
    weight = net.node("DequantizeLinear", codes, scale, name="weight")  # of the type that the codes have
    x = net.node(
        "DequantizeLinear", net.node("QuantizeLinear", "images", scale, zero, name="q"), scale, zero, name="dq"
    )
    faults = found(net.model(net.node("Conv", x, weight), opset=21), "zero-point")
    assert {finding.node for finding in faults} == {"weight", "q", "dq"}
    assert all(finding.why.startswith(f"it has {np.dtype(kind)} codes") for finding in faults)


def test_a_q_may_say_the_type_of_its_codes(net):
    q = net.node("QuantizeLinear", "images", net.constant(np.float32(1)), name="q", output_dtype=TensorProto.INT8)
    model = net.model(net.node("DequantizeLinear", q, net.constant(np.float32(1)), name="dq"), opset=21)
    assert found(model, "zero-point") == []


def test_a_q_without_a_zero_point_is_unsigned(files):
    model = changed(files["trt16"], lambda t, n, m: n["images/Q"].input.pop())
    assert [finding.node for finding in found(model, "zero-point")] == ["images/Q"]


def test_a_scale_for_each_channel_of_an_activation_is_an_error(files):
    def change(tensors, nodes, model):
        put(tensors["images/scale"], np.ones(3, np.float32))
        put(tensors["images/zero"], np.zeros(3, np.int8))

    assert [f.node for f in found(changed(files["trt16"], change), "per-channel-activation")] == ["images/Q"]


def test_a_half_scale_below_opset_19_is_an_error(files):
    def change(tensors, nodes, model):
        put(tensors["images/scale"], np.float16(0.01))
        model.opset_import[0].version = 17

    assert "half-scale" in rules(changed(files["trt16"], change))


def test_a_subnormal_scale_is_a_warning(files):
    model = changed(files["trt16"], lambda t, n, m: put(t["images/scale"], np.float16(1e-6)))
    assert {finding.severity for finding in found(model, "subnormal-scale")} == {"warning"}


def test_two_pairs_of_one_tensor_are_a_warning(files):
    def change(tensors, nodes, model):
        for kind in ("Q", "DQ"):
            copy = model.graph.node.add()
            copy.CopyFrom(nodes[f"images/{kind}"])
            copy.name += "2"
            copy.output[0] += "2"
        model.graph.node[-1].input[0] += "2"

    assert [f.node for f in found(changed(files["trt16"], change), "duplicate-pair")] == ["images/Q2"]


def test_unequal_scales_of_a_concat_a_pool_and_a_sum_are_warnings(files):
    for node, number in (("sppf_cat", 0), ("pool0", 0), ("residual", 0), ("up", 0)):

        def change(tensors, nodes, model, node=node, number=number):
            tensor = nodes[node].input[number].removesuffix("/half").removesuffix("/dequantized")
            put(tensors[f"{tensor}/scale"], np.float32(9))

        assert node in {finding.node for finding in found(changed(files["trt16"], change), "unequal-scales")}


def test_a_quantized_output_is_an_error(files):
    def change(tensors, nodes, model):
        scale, zero = "images/scale", "images/zero"
        name = model.graph.output[0].name
        model.graph.node.append(helper.make_node("QuantizeLinear", [name, scale, zero], ["q"], "out/Q"))
        model.graph.node.append(helper.make_node("DequantizeLinear", ["q", scale, zero], ["dq"], "out/DQ"))
        model.graph.output[0].name = "dq"

    assert [finding.node for finding in found(changed(files["trt16"], change), "quantized-output")] == ["out/DQ"]


def test_integer_operators_are_errors(net):
    x = net.node("ConvInteger", "images", net.constant(np.ones((1, 3, 1, 1), np.uint8)), name="integer")
    assert [finding.node for finding in found(net.model(x), "integer-operator")] == ["integer"]


def test_codes_that_go_past_dequantization_are_an_error(net):
    scale, zero = net.constant(np.float32(1)), net.constant(np.int8(0))
    q = net.node("QuantizeLinear", "images", scale, zero, name="q")
    model = net.model(net.node("Cast", q, to=TensorProto.FLOAT))
    assert [finding.node for finding in found(model, "codes-without-dq")] == ["q"]


def test_of_what_reads_codes_the_one_that_may_not_is_named(net):
    q = net.node("QuantizeLinear", "images", net.constant(np.float32(1)), net.constant(np.int8(0)), name="q")
    moved = net.node("Transpose", q)
    model = net.model(moved, net.node("Cast", q, to=TensorProto.FLOAT))
    assert found(model, "codes-without-dq")[0].why.startswith("its codes go to Cast,")


def test_scales_in_constant_nodes_are_read(net):
    value = helper.make_tensor("v", TensorProto.FLOAT, [], [0.0])
    q = net.node("QuantizeLinear", "images", net.node("Constant", value=value), net.constant(np.int8(0)), name="q")
    assert [finding.node for finding in found(net.model(q), "absurd-scale")] == ["q"]


def test_a_float_model_has_nothing_to_find(detector_model):
    assert lint(detector_model) == []


def test_errors_come_first_and_say_everything(files):
    severities = [finding.severity for finding in lint(files["naive"])]
    assert severities == sorted(severities)
    for finding in lint(files["naive"]):
        assert all((finding.node, finding.why, finding.mend))
        assert str(finding).startswith(f"{finding.severity}: {finding.node}: ")


@pytest.mark.parametrize("runtime", ["tensorrt", "onnxruntime"])
def test_a_feature_that_is_answered_in_float_and_quantized_beside_is_no_error(net, pictures, runtime):
    x = net.node("Concat", net.layer("images", 3, 8), net.layer("images", 3, 8), axis=1)
    y = net.node("Split", x, net.constant(np.array([4, 12], np.int64)), outputs=2, axis=1)
    z = net.node("Concat", net.layer(y[0], 4, 8), net.layer(y[1], 12, 8), axis=1)
    graph = graphs.prepare(net.model(net.node("Mul", x, net.constant(np.float32(2))), net.conv(z, 16, 4), y[0]))
    placement = plan(graph)
    scales = choose(graph, placement, calibrate(graph, pictures), minmax)
    model = qdq.write(graph, placement, scales, qdq.TENSORRT if runtime == "tensorrt" else qdq.CPU)
    assert rules(model, runtime) <= {"single-precision"}


def test_a_quantized_layer_that_answers_through_a_branch_is_found(net, pictures):
    x = net.conv(net.layer("images", 3, 8), 8, 4, name="last")
    ends = [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)]
    inside = helper.make_graph([helper.make_node("Neg", [x], ["y"])], "then", [], ends)
    made = net.node("If", net.constant(np.array(True)), then_branch=inside, else_branch=inside)
    graph = graphs.prepare(net.model(made))
    placement = plan(graph, whole=True)
    scales = choose(graph, placement, calibrate(graph, pictures, whole=True), minmax)
    half = to_half(qdq.write(graph, placement, scales), "net", placement.head.decode)
    assert [finding.node for finding in found(half, "quantized-head")] == ["last"]
