import msgspec.structs
import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

from streamd import manifest
from streamd.engine import source
from streamd.engine.unquantize import unquantized
from streamd.errors import ModelError
from streamd.manifest import Input, Manifest
from tests.engine.conftest import BUNDLED

PICTURE = np.random.default_rng(3).random((1, 3, 416, 416)).astype(np.float32)


def answer(model, picture=PICTURE):
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: picture})[0]


def opened(sides=(None, 3, None, None), sidecar=None):
    """A model of one Relu with open sides."""
    value = [helper.make_tensor_value_info(name, TensorProto.FLOAT, sides) for name in ("images", "out")]
    graph = helper.make_graph([helper.make_node("Relu", ["images"], ["out"])], "g", value[:1], value[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)], ir_version=9)
    return source.Source(BUNDLED, "ab", model, sidecar)


def sides(read):
    return [dim.dim_value for dim in read.model.graph.input[0].type.tensor_type.shape.dim]


def test_what_a_file_says_of_itself(street_qdq):
    plain, pairs = source.read(BUNDLED), source.read(street_qdq)
    assert (plain.quantized, plain.half) == (False, False)
    assert (pairs.quantized, pairs.half) == (True, True)
    assert plain.sidecar.head == "yolov8" and len(plain.sha256) == 64


def test_sides_that_are_open_are_settled():
    assert sides(source.settled(opened(), (640, 384))) == [0, 3, 384, 640]


def test_the_manifest_settles_what_size_does_not():
    sidecar = Manifest("yolov8", ("a",), Input("images", 320, 240, colour="gray"))
    assert sides(source.settled(opened((None,) * 4, sidecar), None)) == [0, 1, 240, 320]


def test_so_does_what_ultralytics_wrote():
    read = opened()
    read.model.metadata_props.add(key="imgsz", value="[384, 640]")
    assert sides(source.settled(read, None)) == [0, 3, 384, 640]
    assert sides(source.settled(read, (320, 192))) == [0, 3, 192, 320]


def test_sides_that_nobody_says():
    with pytest.raises(ModelError, match="leaves its height open; say it with --size"):
        source.settled(opened(), None)


def test_sides_that_are_fixed_stay():
    assert sides(source.settled(opened((1, 3, 32, 64)), (64, 32))) == [1, 3, 32, 64]
    with pytest.raises(ModelError, match="its width is fixed at 64, --size says 32"):
        source.settled(opened((1, 3, 32, 64)), (32, 32))


def test_what_takes_no_picture():
    with pytest.raises(ModelError, match="streamd feeds one picture"):
        source.settled(opened((1, 3)), None)


def test_in_float16_it_answers_alike():
    read = source.read(BUNDLED)
    made = source.halved(read)
    assert (read.half, made.half) == (False, True)
    assert np.abs(answer(made.model) - answer(read.model))[:, :4].max() < 2  # pixels
    assert np.abs(answer(made.model) - answer(read.model))[:, 4:].max() < 0.01


def test_without_pairs_weights_are_what_int8_made_of_them(street_qdq):
    read = source.read(street_qdq)
    back = source.without_int8(read)
    assert (back.quantized, back.half) == (False, True)
    assert not any(tensor.data_type == TensorProto.INT8 for tensor in back.model.graph.initializer)
    truth = answer(source.read(BUNDLED).model)
    apart = np.abs(answer(back.model) - truth)[:, 4:].max()
    assert apart < np.abs(answer(read.model) - truth)[:, 4:].max() < 0.5


def test_a_float32_file_of_pairs_falls_back_to_float16():
    weight = numpy_helper.from_array(np.arange(27, dtype=np.int8).reshape(1, 3, 3, 3), "w")
    scales = numpy_helper.from_array(np.array([0.5], np.float32), "ws")
    one = numpy_helper.from_array(np.array(0.1, np.float32), "s")
    nodes = [
        helper.make_node("QuantizeLinear", ["images", "s"], ["q"], "q"),
        helper.make_node("DequantizeLinear", ["q", "s"], ["dq"], "dq"),
        helper.make_node("DequantizeLinear", ["w", "ws"], ["wf"], "wdq", axis=0),
        helper.make_node("Conv", ["dq", "wf"], ["out"], "conv", pads=[1] * 4),
    ]
    value = [helper.make_tensor_value_info(n, TensorProto.FLOAT, (1, c, 8, 8)) for n, c in (("images", 3), ("out", 1))]
    graph = helper.make_graph(nodes, "g", value[:1], value[1:], [weight, scales, one])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)], ir_version=9)
    picture = np.random.default_rng(0).integers(0, 9, (1, 3, 8, 8)).astype(np.float32) / 10
    plain = unquantized(model, "m")
    assert [node.op_type for node in plain.graph.node] == ["Conv"]
    np.testing.assert_allclose(answer(plain, picture), answer(model, picture), atol=1e-4)
    back = source.without_int8(source.Source(BUNDLED, "", model, None))
    np.testing.assert_allclose(answer(back.model, picture), answer(model, picture), rtol=0.01, atol=0.1)


def test_a_pair_before_an_output_leaves_its_name():
    one = numpy_helper.from_array(np.array(0.1, np.float32), "s")
    nodes = [
        helper.make_node("QuantizeLinear", ["images", "s"], ["q"], "q"),
        helper.make_node("DequantizeLinear", ["q", "s"], ["out"], "dq"),
    ]
    value = [helper.make_tensor_value_info(n, TensorProto.FLOAT, (1, 3, 8, 8)) for n in ("images", "out")]
    graph = helper.make_graph(nodes, "g", value[:1], value[1:], [one])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)], ir_version=9)
    picture = np.full((1, 3, 8, 8), 0.123, np.float32)
    np.testing.assert_array_equal(answer(unquantized(model, "m"), picture), picture)


def test_integer_operators_cannot_be_undone():
    model = opened((1, 3, 8, 8)).model
    model.graph.node[0].op_type = "ConvInteger"
    with pytest.raises(ModelError, match="ConvInteger cannot be undone"):
        unquantized(model, "m")


def test_the_file_itself_is_left_as_it_was(street_qdq):
    read = source.read(street_qdq)
    before = read.model.SerializeToString()
    source.settled(read, None)
    source.without_int8(read)
    assert read.model.SerializeToString() == before


def test_manifests_are_of_their_file(tmp_path):
    path = tmp_path / "m.onnx"
    onnx.save(opened((1, 3, 8, 8)).model, path)
    manifest.save(msgspec.structs.replace(manifest.load(BUNDLED), sha256="0" * 64), path)
    with pytest.raises(ModelError, match="put the manifest of this model there"):
        source.read(path)
