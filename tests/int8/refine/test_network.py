import numpy as np
import onnx
import pytest

torch = pytest.importorskip("torch", reason="the extra `train` is not installed")

from streamd.errors import ModelError  # noqa: E402
from streamd.int8 import graph as graphs  # noqa: E402
from streamd.int8 import qdq  # noqa: E402
from streamd.int8.placement import Placement, plan  # noqa: E402
from streamd.int8.refine.network import Network  # noqa: E402
from streamd.int8.refine.student import Student  # noqa: E402
from streamd.int8.stretch import stretch  # noqa: E402


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


def ints(net, *values):
    return net.constant(np.array(values, np.int64))


COUNTS = {
    "a grid": lambda net, x: net.node("Concat", x, net.constant(np.ones((1, 2, 64, 64), np.float32)), axis=1),
    "a shape": lambda net, x: net.node("Reshape", x, ints(net, 1, 2, 4, 64, 64)),
    "a size": lambda net, x: net.node("Resize", x, "", "", ints(net, 1, 8, 128, 128)),
}
OPEN = {
    "maps": lambda net, x: net.node("Concat", x, x, axis=1),
    "an open shape": lambda net, x: net.node("Reshape", x, ints(net, 0, 2, 4, 64, 64)),
    "a factor": lambda net, x: net.node("Resize", x, "", net.constant(np.array([1, 1, 2, 2], np.float32))),
    "a shape of its own": lambda net, x: net.node("Reshape", x, own_shape(net, x)),
}


def own_shape(net, x):
    first = net.node("Slice", net.node("Shape", x), ints(net, 0), ints(net, 1), ints(net, 0))
    return net.node("Concat", first, ints(net, 8, -1), axis=0)


@pytest.mark.parametrize("name", [*COUNTS, *OPEN])
def test_a_stretch_with_a_constant_of_one_picture_is_run_one_by_one(net, name):
    """Of a stretch no input has a shape that would tell."""
    graph = graphs.prepare(net.model((COUNTS | OPEN)[name](net, net.layer("images", 3, 8, 3))))
    part = stretch(graph, 1, len(graph.nodes), graph.outputs)
    network = Network(part, part.outputs, plan(graph))
    assert network.batches is (name in OPEN)
    feeds = {name: torch.ones(2 if network.batches else 1, 8, 64, 64) for name in network.inputs}
    (made,) = network.run(feeds).values()
    assert made.shape[0] == len(feeds[network.inputs[0]])


def test_a_stretch_that_is_fed_a_shape_is_run_one_by_one(net):
    shape = own_shape(net, "images")
    graph = graphs.prepare(net.model(net.node("Reshape", net.layer("images", 3, 8, 3), shape)))
    at = next(i for i, node in enumerate(graph.nodes) if node.op_type == "Conv")
    part = stretch(graph, at, len(graph.nodes), graph.outputs)
    assert shape in part.inputs
    assert not Network(part, part.outputs, plan(graph)).batches
