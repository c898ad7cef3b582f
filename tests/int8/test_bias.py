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


SHAPES = {
    "grouped": ("Conv", (8, 2, 3, 3), {"group": 4, "pads": [1] * 4}),
    "depthwise": ("Conv", (8, 1, 3, 3), {"group": 8, "pads": [1] * 4}),
    "transposed": ("ConvTranspose", (8, 6, 2, 2), {"strides": [2, 2]}),
    "transposed by group": ("ConvTranspose", (8, 3, 2, 2), {"strides": [2, 2], "group": 2}),
    "dilated": ("Conv", (5, 8, 3, 3), {"dilations": [2, 2]}),
}
ACTIVATIONS = ["", "Relu", "Sigmoid", "HardSwish", "Tanh"]


@pytest.mark.parametrize("kind", SHAPES)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_kind_of_layer_gets_back_the_mean_that_its_weights_lost_whatever_comes_before(
    net, pictures, run, kind, activation
):
    op, shape, more = SHAPES[kind]
    x = net.conv("images", 3, 8, name="first")
    x = net.node(activation, x) if activation else x
    weight = net.constant(net.random.normal(size=shape).astype(np.float32))
    y = net.node(op, x, weight, name="middle", **more)
    model = net.model(y)
    channels = run(model, pictures[0])[y].shape[1]
    graph = graphs.prepare(net.model(net.conv(y, channels, 4, name="last")))
    scales = Scales({x: 0.01})
    fixed = bias.of_weights(graph, plan(graph), scales, pictures)
    (middle,) = (node for node in fixed.nodes if node.name == "middle")
    shift = fixed.constant(middle.input[2])
    axis = graph.weight_axis(middle)
    codes, scale = quantize_weight(graph.constant(weight), axis)
    rounded = codes * scale.reshape([-1 if i == axis else 1 for i in range(4)])
    means = [mean(run, model, y, pictures)]
    (tensor,) = (one for one in model.graph.initializer if one.name == weight)
    tensor.CopyFrom(onnx.numpy_helper.from_array(rounded.astype(np.float32), weight))
    means.append(mean(run, model, y, pictures))
    assert np.abs(shift).max() > 1e-5
    assert shift == pytest.approx(means[0] - means[1], abs=2e-6)


def mean(run, model, tensor, pictures):
    values = [run(model, picture, [tensor])[tensor] for picture in pictures]
    return np.mean([value.mean(axis=tuple(i for i in range(value.ndim) if i != 1)) for value in values], axis=0)


def full(net, own, **attributes):
    """Three layers that end in (8, 6): eight rows a picture, as a Gemm after a Reshape has them."""
    x = net.node("Reshape", net.layer("images", 3, 8, name="first"), net.constant(np.array([8, -1], np.int64)))
    weight = net.constant(net.random.normal(size=(4096, 6)).astype(np.float32) / 64)
    x = net.node("Gemm", x, weight, own, name="middle", **attributes)
    return net.node("MatMul", x, net.constant(np.ones((6, 2), np.float32)), name="last")


@pytest.mark.parametrize("beta", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("shape", [(), (6,), (1, 6), (8, 1), (8, 6)])
def test_a_bias_of_any_shape_that_gemm_takes_is_corrected(net, pictures, run, beta, shape):
    own = net.constant(net.random.normal(size=shape).astype(np.float32))
    graph = graphs.prepare(net.model(full(net, own, beta=beta)))
    (middle,) = (node for node in graph.nodes if node.name == "middle")
    fixed = bias.of_weights(graph, plan(graph), Scales({middle.input[0]: 0.01}), pictures)
    onnx.checker.check_model(fixed.model, full_check=True)
    shift = run(fixed.model, pictures[0], [graph.outputs[0]])[graph.outputs[0]]
    shift = shift - run(graph.model, pictures[0], [graph.outputs[0]])[graph.outputs[0]]
    assert np.ptp(shift, axis=0).max() < 1e-5  # all rows alike
    assert 1e-5 < np.abs(shift).max() < 0.1


def test_a_bias_that_is_computed_is_left_alone(net, pictures):
    own = net.node("Abs", net.node("ReduceMean", "images", keepdims=0))
    graph = graphs.prepare(net.model(full(net, own)))
    (middle,) = (node for node in graph.nodes if node.name == "middle")
    scales = Scales({middle.input[0]: 0.01})
    assert bias.layers(graph, plan(graph), scales) == []
    for correct in bias.KINDS.values():
        assert correct(graph, plan(graph), scales, pictures).model == graph.model


@pytest.mark.parametrize("kind", bias.KINDS)
def test_layers_that_share_a_weight_and_a_bias_are_corrected_apart(net, pictures, kind):
    x = net.layer("images", 3, 8, name="first")
    weight = net.constant(net.random.normal(size=(8, 8, 1, 1)).astype(np.float32))
    own = net.constant(np.ones(8, np.float32))
    y = net.node("Sigmoid", net.node("Conv", x, weight, own, name="one"))
    z = net.node("Conv", y, weight, own, name="other")
    made = Made(net.model(net.conv(net.node("Relu", z), 8, 4, name="last")), pictures)
    corrected = bias.KINDS[kind](made.graph, made.placement, made.scales, pictures)
    one, other = (made.bias(corrected, name) for name in ("one", "other"))
    assert not np.array_equal(one, other)
    assert (one != 1).any()
    assert (other != 1).any()
    assert np.array_equal(corrected.constant(own), np.ones(8))


def test_the_pictures_that_fit_are_taken_from_all_over(made):
    many = [np.full((1, 3, 64, 64), i, np.float32) for i in range(9)]
    one = made.graph
    budget = next(size for size in range(1 << 14, 1 << 24, 1 << 14) if bias.affordable(one, many, size) == 3)
    assert [int(picture.max()) for picture in bias.fitting(one, many, budget)] == [0, 4, 8]
    assert len(bias.fitting(one, many)) == 9
