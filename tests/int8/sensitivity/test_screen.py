import numpy as np
import pytest

from streamd.int8 import graph as graphs
from streamd.int8.groups import groups
from streamd.int8.placement import plan
from streamd.int8.sensitivity.screen import ratio


def ratios(net, factors, on):
    """Of two layers, after the output channels of the first or the input channels of the second were scaled."""
    x = net.layer("images", 3, len(factors), name="first")
    net.conv(net.layer(x, len(factors), 8, name="second"), 8, 4, name="last")
    first, second = net.constants[0], net.constants[2]
    graph = graphs.prepare(net.model(net.nodes[-1].output[0]))
    for tensor, axis in ((first, 0), (second, 1)):
        weight = np.asarray(graph.constant(tensor.name))
        shape = [-1 if i == axis else 1 for i in range(4)]
        own = np.abs(weight).max(axis=tuple(i for i in range(4) if i != axis)).reshape(shape)
        scaled = weight / own * (np.reshape(factors, shape) if axis == on else 1)
        graph.initializers[tensor.name].CopyFrom(graphs.numpy_helper.from_array(scaled.astype(np.float32), tensor.name))
    return {group.name: ratio(graph, group) for group in groups(graph, plan(graph))}


FACTORS = [1, 1, 1, 1, 1, 1, 1, 100]


def test_the_ratio_is_of_the_largest_to_the_median_of_the_channels_that_share_a_scale(net):
    assert ratios(net, FACTORS, 0)["second"] == pytest.approx(100, rel=1e-4)


def test_what_reads_the_channels_does_not_make_them_unequal(net):
    assert ratios(net, FACTORS, 1)["second"] == pytest.approx(1, rel=1e-4)


def test_the_picture_is_made_by_no_layer(net):
    assert ratios(net, FACTORS, 0)["first"] == 1


def test_equal_channels_have_a_ratio_of_1(net):
    assert ratios(net, [1] * 8, 0)["second"] == pytest.approx(1, rel=1e-4)


def test_channels_that_are_zero_throughout_do_not_count(net):
    assert ratios(net, [0, 0, 0, 0, 0, 1, 1, 7], 0)["second"] == pytest.approx(7, rel=1e-4)


@pytest.mark.parametrize("group", [1, 2, 8])
def test_channels_of_a_transposed_layer_are_those_of_all_its_groups(net, group):
    x = net.layer("images", 3, 8, name="first")
    weight = np.ones((8, 8 // group, 2, 2), np.float32)
    weight[-1, -1] = 50  # of the last channel, which all inputs of the last group make
    x = net.node("ConvTranspose", x, net.constant(weight), strides=[2, 2], group=group, name="up")
    graph = graphs.prepare(net.model(net.conv(net.conv(x, 8, 8, name="next"), 8, 4, name="last")))
    found = {one.name: ratio(graph, one) for one in groups(graph, plan(graph))}
    assert found["next"] == pytest.approx(50)
