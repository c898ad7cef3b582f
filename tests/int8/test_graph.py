import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from streamd.errors import ModelError
from streamd.int8 import graph as graphs
from streamd.int8.opset import NEEDED


def written(model, path):
    path.write_bytes(model.SerializeToString())
    return path


def agree(run, before, after, shape):
    x = np.random.default_rng(0).random(shape).astype(np.float32)
    for a, b in zip(run(before, x).values(), run(after, x).values(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def test_batch_normalisation_is_folded_and_nothing_changes(classifier_model, run):
    graph = graphs.prepare(classifier_model)
    assert "BatchNormalization" not in {node.op_type for node in graph.nodes}
    agree(run, classifier_model, graph.model, (1, 1, 8, 8))


def test_batch_normalisation_is_folded_into_a_transposed_convolution(net, run):
    weight = net.constant(net.random.normal(size=(3, 5, 2, 2)).astype(np.float32))
    x = net.node("ConvTranspose", "images", weight, strides=[2, 2])
    values = [net.constant((net.random.random(5) + 0.5).astype(np.float32)) for _ in range(4)]
    model = net.model(net.node("BatchNormalization", x, *values))
    graph = graphs.prepare(model)
    assert [node.op_type for node in graph.nodes] == ["ConvTranspose"]
    agree(run, model, graph.model, (1, 3, 64, 64))


def test_batch_normalisation_of_a_shared_result_stays(net, run):
    x = net.conv("images", 3, 4)
    values = [net.constant((net.random.random(4) + 0.5).astype(np.float32)) for _ in range(4)]
    model = net.model(net.node("BatchNormalization", x, *values), x)
    graph = graphs.prepare(model)
    assert "BatchNormalization" in {node.op_type for node in graph.nodes}
    agree(run, model, graph.model, (1, 3, 64, 64))


def test_two_normalised_layers_may_share_a_weight(net, run):
    weight = net.constant(net.random.normal(size=(3, 3, 1, 1)).astype(np.float32))
    x = "images"
    for _ in range(2):
        values = [net.constant((net.random.random(3) + 0.5).astype(np.float32)) for _ in range(4)]
        x = net.node("BatchNormalization", net.node("Conv", x, weight), *values)
    model = net.model(x)
    agree(run, model, graphs.prepare(model).model, (1, 3, 64, 64))


def test_constants_become_initializers(net):
    value = helper.make_tensor("v", TensorProto.FLOAT, [1], [2.0])
    constant = net.node("Identity", net.node("Constant", value=value))
    graph = graphs.prepare(net.model(net.node("Mul", "images", constant)))
    assert [node.op_type for node in graph.nodes] == ["Mul"]
    assert graph.constant(graph.nodes[0].input[1]) == [2.0]


def test_the_opset_is_raised(net, run):
    model = net.model(net.node("Relu", net.conv("images", 3, 4)), opset=11)
    graph = graphs.prepare(model)
    assert graph.model.opset_import[0].version == NEEDED
    agree(run, model, graph.model, (1, 3, 64, 64))


def test_a_later_opset_is_kept(net):
    assert graphs.prepare(net.model(net.conv("images", 3, 4), opset=21)).model.opset_import[0].version == 21


def test_the_real_model_answers_alike_after_its_opset_is_raised(real, run):
    path = real / "yolox_nano.onnx"
    agree(run, onnx.load(path), graphs.load(path).model, (1, 3, 416, 416))


def test_the_model_given_is_left_as_it_was(classifier_model):
    before = classifier_model.SerializeToString()
    graphs.prepare(classifier_model)
    assert classifier_model.SerializeToString() == before


def test_every_node_gets_a_name_of_its_own(net):
    net.node("Relu", "images", name="same")
    model = net.model(net.node("Relu", net.nodes[-1].output[0], name="same"))
    model.graph.node[0].name = model.graph.node[1].name = "same"
    names = [node.name for node in graphs.prepare(model).nodes]
    assert len(set(names)) == 2


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "empty"), (b"no model at all", "not an ONNX model"), (b"\x08\x07", "without nodes")],
)
def test_what_is_no_model_is_refused(tmp_path, content, message):
    path = tmp_path / "bad.onnx"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=message):
        graphs.load(path)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(ModelError, match="no such model file"):
        graphs.load(tmp_path / "none.onnx")


def test_external_data_is_refused_with_the_name_of_the_file(net, tmp_path):
    model = net.model(net.conv("images", 3, 4))
    path = tmp_path / "model.onnx"
    onnx.save_model(model, path, save_as_external_data=True, location="weights.bin", size_threshold=0)
    with pytest.raises(ModelError, match=r"its weights lie in weights\.bin"):
        graphs.load(path)


def test_more_than_two_gibibytes_are_refused(tmp_path):
    path = tmp_path / "large.onnx"
    with path.open("wb") as file:
        file.write(b"\x08\x07")
        file.truncate((2 << 30) + 1)
    with pytest.raises(ModelError, match="at most 2"):
        graphs.load(path)


def test_a_quantized_model_is_refused(net, tmp_path):
    net.constant(np.float32(1), "scale")
    q = net.node("QuantizeLinear", "images", "scale")
    with pytest.raises(ModelError, match="quantized already"):
        graphs.load(written(net.model(net.node("DequantizeLinear", q, "scale")), tmp_path / "q.onnx"))


def test_half_weights_are_refused(net, tmp_path):
    model = net.model(net.node("Mul", "images", net.constant(np.float16(1))))
    with pytest.raises(ModelError, match="float16"):
        graphs.load(written(model, tmp_path / "half.onnx"))


def test_half_constants_are_refused_wherever_they_are(net):
    half = helper.make_tensor("v", TensorProto.FLOAT16, [1], np.array([2], np.float16).view(np.uint16), raw=False)
    with pytest.raises(ModelError, match="its weights are float16"):
        graphs.prepare(net.model(net.node("Mul", "images", net.node("Constant", value=half))))
    inside = helper.make_graph(
        [helper.make_node("Constant", [], ["y"], value=half)],
        "then",
        [],
        [helper.make_tensor_value_info("y", 10, None)],
    )
    condition = net.constant(np.array(True))
    net.nodes.clear()
    with pytest.raises(ModelError, match="its weights are float16"):
        graphs.prepare(net.model(net.node("If", condition, then_branch=inside, else_branch=inside)))


def test_half_inputs_are_refused(net):
    model = net.model(net.node("Cast", "images", to=TensorProto.FLOAT))
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.FLOAT16
    with pytest.raises(ModelError, match="its inputs are float16"):
        graphs.prepare(model)


def test_batch_normalisation_by_its_own_batch_stays(net, run):
    x = net.conv("images", 3, 4)
    values = [net.constant((net.random.random(4) + 0.5).astype(np.float32)) for _ in range(4)]
    y, *_ = net.node("BatchNormalization", x, *values, outputs=3, training_mode=1)
    model = net.model(y)
    agree(run, model, graphs.prepare(model).model, (1, 3, 64, 64))


def test_what_nobody_reads_is_dropped(net):
    x = net.conv("images", 3, 4, name="read")
    net.layer(x, 4, 4, name="unread")
    assert [node.name for node in graphs.prepare(net.model(x)).nodes] == ["read"]
