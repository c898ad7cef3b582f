import numpy as np
import onnx
import pytest

torch = pytest.importorskip("torch", reason="the extra `train` is not installed")

from streamd.errors import ModelError  # noqa: E402
from streamd.int8 import graph as graphs  # noqa: E402
from streamd.int8 import qdq  # noqa: E402
from streamd.int8.placement import Placement  # noqa: E402
from streamd.int8.refine.network import Network  # noqa: E402
from streamd.int8.refine.student import Student  # noqa: E402


def fed(small, picture):
    return {small.graph.inputs[0]: torch.from_numpy(picture)}


def test_the_float_model_answers_as_in_onnx_runtime(small, run):
    network = Network(small.graph, small.graph.outputs, small.placement)
    got = network.run(fed(small, small.pictures[0]))
    for name, expected in run(small.graph.model, small.pictures[0]).items():
        np.testing.assert_allclose(got[name].numpy(), expected, rtol=1e-4, atol=1e-4)


def test_a_classifier_answers_as_in_onnx_runtime(classifier_model, plain, run):
    pictures = [np.random.default_rng(0).random((1, 1, 8, 8)).astype(np.float32)]
    made = plain(classifier_model, pictures)
    got = Network(made.graph, made.graph.outputs, made.placement).run(fed(made, pictures[0]))
    for name, expected in run(made.graph.model, pictures[0]).items():
        np.testing.assert_allclose(got[name].numpy(), expected, rtol=1e-4, atol=1e-5)


def test_quantized_it_answers_as_the_written_file_layer_by_layer(small, run):
    """Up to codes that lie on the edge of two: sums come in another order, and a tie may fall to the other side."""
    names = [name for name in small.placement.tensors if name not in small.graph.inputs]
    network = Network(small.graph, names, small.placement)
    with torch.no_grad():
        got = Student(network, small.placement, small.scales).run(fed(small, small.pictures[0]))
    model = qdq.write(small.graph, small.placement, small.scales)
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    expected = run(model, small.pictures[0], names)
    for name in names:
        codes, others = (np.rint(np.asarray(v[name]) / small.scales.activations[name]) for v in (got, expected))
        assert np.abs(codes - others).max() <= 1
        assert (codes != others).mean() < 0.01


def test_only_what_the_outputs_need_is_run(small):
    name = next(node.output[0] for node in small.graph.nodes if node.name == "down1")
    network = Network(small.graph, [name], small.placement)
    assert [node.name for node in network.layers] == ["stem", "down1"]


def test_several_pictures_are_run_at_once(small):
    name = next(node.output[0] for node in small.graph.nodes if node.name == "cls1_last")
    network = Network(small.graph, [name], small.placement)
    assert network.batches
    feeds = {small.graph.inputs[0]: torch.from_numpy(np.concatenate(small.pictures))}
    together = network.run(feeds)[name]
    alone = [network.run(fed(small, picture))[name] for picture in small.pictures]
    assert torch.allclose(together, torch.cat(alone), atol=1e-4)


def test_a_graph_that_fixes_its_batch_is_run_a_picture_at_a_time(small):
    assert not Network(small.graph, small.graph.outputs, small.placement).batches


def test_a_branch_is_refused(net):
    body = onnx.helper.make_graph([], "body", [], [])
    x = net.conv("images", 3, 4, name="body")
    model = net.model(x)
    model.graph.node.append(onnx.helper.make_node("If", ["c"], ["y"], "fork", then_branch=body, else_branch=body))
    graph = graphs.Graph(model)
    with pytest.raises(ModelError, match="fork: If is a branch or a loop"):
        Network(graph, ["y"], Placement(None))
