import numpy as np
import pytest

from streamd.int8 import equalize, hard, qdq
from streamd.int8 import graph as graphs
from streamd.int8.calibrate import calibrate
from streamd.int8.placement import plan
from streamd.int8.scales import choose
from streamd.int8.thresholds import minmax


def ready(model):
    graph = graphs.prepare(model)
    return graph, plan(graph)


@pytest.fixture
def spread(detector_model):
    graph, _ = ready(detector_model)
    names = hard.harden(graph, places=4, ratio=1024)
    return graph, plan(graph), names


def headed(net, x):
    """A model that ends in SiLU and one more layer, which is its head and stays in float."""
    return net.model(net.conv(net.silu(x), 8, 4, name="head"), shape=(1, 3, 8, 8))


def noise(graph, placement, pictures, run, exact):
    scales = choose(graph, placement, calibrate(graph, pictures), minmax)
    pairs = [(*run(exact, one).values(), *run(qdq.write(graph, placement, scales), one).values()) for one in pictures]
    return np.mean([np.square(one - other).mean() / np.square(one).mean() for one, other in pairs])


def test_in_float_the_answers_are_the_same_to_the_bit(spread, pictures, run):
    graph, placement, _ = spread
    made, _ = equalize.equalize(graph, placement, pictures)
    for picture in pictures:
        (before,), (after,) = (run(one.model, picture).values() for one in (graph, made))
        assert np.array_equal(before, after)


def test_what_was_spread_is_found_and_mended(spread, pictures, run):
    graph, placement, names = spread
    made, found = equalize.equalize(graph, placement, pictures)
    assert set(found) >= {f"{name}{hard.SUFFIX}" for name in names}
    ruined, mended = (noise(one, placement, pictures, run, graph.model) for one in (graph, made))
    assert mended < 0.2 * ruined


def test_ranges_of_activations_and_of_the_weights_that_read_them_are_alike(spread, pictures, run):
    graph, placement, names = spread
    made, _ = equalize.equalize(graph, placement, pictures)
    tensor = f"{names[0]}{hard.SUFFIX}"
    made.model.graph.output.append(next(v for v in made.model.graph.value_info if v.name == tensor))
    channels = np.max([np.abs(run(made.model, one, [tensor])[tensor]).max((0, 2, 3)) for one in pictures], 0)
    weights = np.max([np.abs(made.constant(node.input[1])).max((0, 2, 3)) for node in made.consumers[tensor]], 0)
    assert (channels / weights).max() <= 4.01 * (channels / weights).min()


def test_the_graph_that_was_given_is_as_it_was(spread, pictures):
    graph, placement, _ = spread
    before = graph.model.SerializeToString(deterministic=True)
    equalize.equalize(graph, placement, pictures)
    assert graph.model.SerializeToString(deterministic=True) == before


@pytest.mark.parametrize("activation", ["Relu", "LeakyRelu"])
def test_seams_go_through_what_is_homogeneous(net, activation):
    x = net.node(activation, net.conv("images", 3, 8, name="one"))
    graph, placement = ready(headed(net, net.conv(x, 8, 8, name="two")))
    assert [(seam.maker, seam.readers) for seam in equalize.seams(graph, placement)] == [("one", ("two",))]


def test_there_is_none_through_silu_nor_where_others_read(net):
    x = net.layer("images", 3, 8, name="one")
    y = net.conv(net.node("Relu", net.conv(x, 8, 8, name="two")), 8, 8, name="three")
    graph, placement = ready(headed(net, net.node("Add", net.conv(y, 8, 8, name="four"), net.node("Sigmoid", y))))
    assert [seam.maker for seam in equalize.seams(graph, placement)] == ["two"]


def test_depthwise_layers_in_a_row_are_equalized_on_both_sides(net, run):
    x = net.node("Relu", net.conv("images", 3, 8, name="one"))
    x = net.node("Relu", net.conv(x, 8, 8, 3, name="two", group=8))
    graph, placement = ready(headed(net, net.conv(x, 8, 8, name="three")))
    picture = np.random.default_rng(0).random((1, 3, 8, 8)).astype(np.float32)
    made, found = equalize.equalize(graph, placement, [picture])
    assert len(found) == 2
    (before,), (after,) = (run(one.model, picture).values() for one in (graph, made))
    assert np.allclose(before, after, rtol=1e-6, atol=1e-7)


def test_a_channel_that_is_always_zero_is_left_as_it_is():
    factors = equalize._factors(np.array([0, 4, 1], np.float32), np.array([1, 1, 0], np.float32))
    assert factors.tolist() == [1, 2, 1]
