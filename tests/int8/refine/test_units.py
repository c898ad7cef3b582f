import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra `train` is not installed")

from streamd.int8 import graph as graphs  # noqa: E402
from streamd.int8.placement import plan  # noqa: E402
from streamd.int8.refine.network import Network  # noqa: E402 - it imports torch
from streamd.int8.refine.units import units  # noqa: E402


def of(model, pictures):
    graph = graphs.prepare(model)
    placement = plan(graph)
    names = [graph.inputs[0]]
    layers = [node for node in graph.nodes if node.name in set(placement.layers)]
    feeds = [dict(zip(names, [torch.from_numpy(one)], strict=True)) for one in pictures]
    return Network(graph, graph.outputs, placement), units(graph, placement, layers, feeds)


def chain(net, factors=None):
    """Two layers, the channels between them multiplied by `factors`, and divided again."""
    first = net.conv("images", 3, 8, 3, name="first")
    last = net.conv(net.node("Relu", net.conv(first, 8, 4, 1, name="second")), 4, 4, name="head")
    model = net.model(last, shape=(1, 3, 16, 16))
    if factors is not None:
        tensors = {tensor.name: tensor for tensor in model.graph.initializer}
        (made, bias), (read, _) = (node.input[1:] for node in model.graph.node[:2])
        columns = factors[:, None, None, None]
        for name, factor in ((made, columns), (bias, factors), (read, 1 / columns[:, 0][None])):
            value = np.frombuffer(tensors[name].raw_data, np.float32).reshape(tensors[name].dims)
            tensors[name].raw_data = (value * factor).astype(np.float32).tobytes()
    return model


@pytest.fixture
def picture():
    return np.random.default_rng(3).random((1, 3, 16, 16)).astype(np.float32)


def test_channels_multiplied_and_divided_again_have_units_that_are_too(net, picture):
    factors = (2.0 ** np.arange(-4, 4)).astype(np.float32)
    model = chain(net)
    _, before = of(model, [picture])
    net.nodes.clear(), net.constants.clear()
    net.random = np.random.default_rng(0)
    _, after = of(chain(net, factors), [picture])
    wide = torch.from_numpy(factors)
    assert after["first"][0].numpy() == pytest.approx(
        (before["first"][0] * wide[:, None, None, None]).numpy(), rel=1e-4
    )
    assert after["first"][1].numpy() == pytest.approx((before["first"][1] * wide).numpy(), rel=1e-4)


def test_no_unit_exceeds_the_largest_weight_of_its_channel(small):
    network, found = of(small.graph.model, small.pictures)
    for name, (unit, _) in found.items():
        weight = network.weight(name).abs()
        assert unit.shape == weight.shape
        assert (unit <= weight.amax((1, 2, 3), keepdim=True)).all()


def test_units_are_of_the_size_of_weights_where_all_is_of_one_size(net, picture):
    network, found = of(chain(net), [picture - 0.5])
    ratio = found["second"][0] / network.weight("second").square().mean().sqrt()
    assert 0.1 < float(ratio.median()) < 10


def test_each_channel_of_a_depthwise_layer_has_its_own_input(net, picture):
    x = net.conv("images", 3, 3, 3, name="depthwise", group=3)
    model = net.model(net.node("Relu", net.conv(x, 3, 4, name="last")), shape=(1, 3, 16, 16))
    loud = picture.copy()
    loud[:, 1] *= 1000
    _, one = of(model, [picture])
    _, other = of(model, [loud])
    same = [bool(torch.allclose(one["depthwise"][0][i], other["depthwise"][0][i])) for i in range(3)]
    assert same[0]
    assert same[2]


def test_layers_of_every_kind_have_units(net, classifier_model):
    x = net.conv("images", 1, 4, 3, name="first")
    weight = net.constant(net.random.normal(size=(4, 2, 2, 2)).astype(np.float32))
    x = net.node("Relu", net.node("ConvTranspose", x, weight, name="turned", group=2, strides=[2, 2]))
    matrix = net.constant(net.random.normal(size=(16, 5)).astype(np.float32))
    model = net.model(net.node("MatMul", x, matrix, name="product"), shape=(1, 1, 8, 8))
    random = np.random.default_rng(0)
    for one in (model, classifier_model):
        network, found = of(one, [random.random((1, 1, 8, 8)).astype(np.float32)])
        assert found
        for name, (unit, bias) in found.items():
            assert unit.shape == network.weight(name).shape
            assert torch.isfinite(unit).all()
            assert torch.isfinite(bias).all()
