import numpy as np
import pytest

from streamd.int8 import fragile
from streamd.int8 import graph as graphs
from streamd.int8.calibrate import calibrate
from streamd.int8.placement import plan
from streamd.int8.saved import load, save


@pytest.fixture
def made(net, pictures):
    """A stem, a depthwise layer whose input has channels of small range, and an ordinary layer after it."""

    def made(small, share):
        x = net.layer("images", 3, 16, name="stem")
        ranges = np.where(np.arange(16) < 16 * share, small, 1.0).astype(np.float32).reshape(1, 16, 1, 1)
        x = net.node("Mul", x, net.constant(ranges))
        x = net.layer(x, 16, 16, 3, group=16, name="depthwise")
        graph = graphs.prepare(net.model(net.conv(net.layer(x, 16, 8, name="mixing"), 8, 4)))
        return graph, calibrate(graph, pictures)

    return made


@pytest.mark.parametrize(
    ("small", "share", "expected"), [(0.0005, 0.5, True), (1.0, 0.5, False), (0.0005, 0.05, False)]
)
def test_a_depthwise_layer_that_loses_channels_is_fragile(made, small, share, expected):
    graph, calibration = made(small, share)
    found = fragile.find(graph, plan(graph), calibration)
    assert [one.layer for one in found] == ["depthwise"] * expected


def test_a_layer_that_is_kept_in_float_is_none(made):
    graph, calibration = made(0.0005, 0.5)
    assert fragile.find(graph, plan(graph, lambda node: node.name == "depthwise"), calibration) == []


def test_the_share_is_told(made):
    graph, calibration = made(0.0005, 0.5)
    (found,) = fragile.find(graph, plan(graph), calibration)
    assert "depthwise stays in float: of its input's channels, " in str(found)
    assert found.lost >= 0.5


def test_channel_ranges_are_those_of_the_data_and_are_saved(made, run, pictures, tmp_path):
    graph, calibration = made(0.5, 0.5)
    ((name, largest),) = calibration.channels.items()
    graph.model.graph.output.extend([type(graph.model.graph.output[0])(name=name)])
    seen = [run(graph.model, picture, [name])[name] for picture in pictures]
    np.testing.assert_allclose(largest, np.abs(np.concatenate(seen)).max(axis=(0, 2, 3)), rtol=1e-5)
    save(calibration, tmp_path / "seen")
    np.testing.assert_array_equal(load(tmp_path / "seen").channels[name], largest)
