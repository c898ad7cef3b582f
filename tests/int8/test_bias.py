import numpy as np
import onnx
import pytest

from streamd.int8 import bias, qdq
from streamd.int8 import graph as graphs
from streamd.int8.calibrate import calibrate
from streamd.int8.placement import plan
from streamd.int8.scales import Scales, choose, quantize_weight
from streamd.int8.thresholds import minmax


class Made:
    def __init__(self, model, pictures):
        self.graph = graphs.prepare(model)
        self.placement = plan(self.graph)
        self.scales = choose(self.graph, self.placement, calibrate(self.graph, pictures), minmax)
        self.corrected = bias.of_weights(self.graph, self.placement, self.scales, pictures)

    def bias(self, graph, name):
        (node,) = (node for node in graph.nodes if node.name == name)
        return graph.constant(node.input[2])


@pytest.fixture(scope="module")
def made(detector_model, pictures):
    return Made(detector_model, pictures)


def test_the_shift_of_a_layer_is_what_rounding_its_weights_does_to_the_mean(made, pictures, run):
    (node,) = (node for node in made.graph.nodes if node.name == "c2f_in")
    weight, before = made.graph.constant(node.input[1]), made.graph.constant(node.input[2])
    codes, scale = quantize_weight(weight, 0, before, made.scales.activations[node.input[0]])
    error = (codes * scale[:, None, None, None] - weight)[:, :, 0, 0].astype(np.float64)
    model = onnx.ModelProto()
    model.CopyFrom(made.graph.model)
    model.graph.output.add().name = node.input[0]
    means = [run(model, picture, [node.input[0]])[node.input[0]].mean(axis=(0, 2, 3)) for picture in pictures]
    expected = before - error @ np.mean(means, axis=0)
    assert made.bias(made.corrected, "c2f_in") == pytest.approx(expected, abs=1e-6)


def test_every_layers_mean_is_nearer_to_the_float_models(made, pictures, run):
    """Of layers that read the same float input: that of the model, its weights rounded in one of them."""

    def mean(graph, scales, tensor):
        model = qdq.write(graph, made.placement, scales)
        model.graph.output.add().name = tensor
        return np.mean([run(model, picture, [tensor])[tensor].mean(axis=(0, 2, 3)) for picture in pictures], axis=0)

    node = next(node for node in made.graph.nodes if node.name == "m1")
    fine = Scales({node.input[0]: 1e-3 * made.scales.activations[node.input[0]] + 5e-4})
    exact = mean(made.graph, Scales(), node.output[0])
    off, mended = (np.abs(mean(graph, fine, node.output[0]) - exact).mean() for graph in (made.graph, made.corrected))
    assert mended < off


def test_what_is_systematic_is_taken_out_of_everything_and_what_is_not_stays(net, pictures):
    """A picture's bright channel is clipped at half its value: always, or where noise has it."""
    x = net.conv("images", 3, 4, name="body")
    graph = graphs.prepare(net.model(net.conv(x, 4, 4, name="last")))
    placement = plan(graph)
    scales = Scales({"images": 0.5 / 127})
    still = [np.ones((1, 3, 64, 64), np.float32)]
    busy = [one.round() for one in pictures]  # 0 or 1
    (node,) = (node for node in graph.nodes if node.name == "body")
    weight = graph.constant(node.input[1])[:, :, 0, 0]
    before = graph.constant(node.input[2])

    def shift(seen):
        made = bias.of_everything(graph, placement, scales, seen)
        return made.constant(next(node for node in made.nodes if node.name == "body").input[2]) - before

    lost = 0.5 * weight.sum(axis=1)
    assert shift(still) == pytest.approx(lost, abs=0.02)
    assert (np.abs(shift(busy)) < np.abs(lost) / 2 + 0.02).all()


def test_only_biases_of_quantized_layers_change(made):
    assert [node.op_type for node in made.corrected.nodes] == [node.op_type for node in made.graph.nodes]
    changed = set()
    for before, after in zip(made.graph.nodes, made.corrected.nodes, strict=True):
        assert list(before.input[:2]) == list(after.input[:2])
        if before.input != after.input:
            changed.add(before.name)
    assert changed == set(made.placement.layers)


def test_the_graph_that_was_given_is_as_it_was(detector_model, made):
    assert made.graph.model == graphs.prepare(detector_model).model
    assert made.corrected.sha256 == made.graph.sha256


def test_a_layer_without_a_bias_gets_one(net, pictures):
    x = net.layer("images", 3, 8, bias=False, name="bare")
    made = Made(net.model(net.conv(net.layer(x, 8, 8, name="next"), 8, 4, name="last")), pictures)
    assert made.bias(made.corrected, "bare").shape == (8,)


def test_a_fully_connected_layer_is_corrected(net):
    random = np.random.default_rng(0)
    x = net.node("Flatten", net.node("GlobalAveragePool", net.layer("images", 3, 8, name="first")))
    for name, before, after in (("middle", 8, 8), ("last", 8, 4)):
        weight, own = random.normal(size=(after, before)).astype(np.float32), np.ones((1, after), np.float32)
        x = net.node("Gemm", x, net.constant(weight), net.constant(own), transB=1, name=name)
    made = Made(net.model(x), [random.random((1, 3, 64, 64)).astype(np.float32)])
    before, after = (made.bias(graph, "middle").ravel() for graph in (made.graph, made.corrected))
    assert before.shape == after.shape
    assert 0 < np.abs(after - before).max() < 0.1


def test_fewer_pictures_are_used_where_memory_is_short(made, pictures):
    assert bias.affordable(made.graph, pictures, 1 << 30) == 3
    assert bias.affordable(made.graph, pictures, 0) == 1


def test_the_written_files_have_the_corrected_biases(made, pictures, run):
    for profile in (qdq.TENSORRT, qdq.CPU):
        model = qdq.write(made.corrected, made.placement, made.scales, profile)
        onnx.checker.check_model(model)
        (one,) = run(model, pictures[0]).values()
        (other,) = run(qdq.write(made.graph, made.placement, made.scales, profile), pictures[0]).values()
        assert not np.array_equal(one, other)
