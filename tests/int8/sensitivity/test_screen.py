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
