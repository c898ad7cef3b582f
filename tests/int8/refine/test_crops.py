import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra `train` is not installed")

from streamd.int8 import graph as graphs  # noqa: E402
from streamd.int8.placement import plan  # noqa: E402
from streamd.int8.refine import crops  # noqa: E402 - it imports torch
from streamd.int8.refine.network import Network  # noqa: E402


def test_windows_lie_inside_where_their_step_divides():
    found = crops.drawn((70, 40), 50, 32, np.random.default_rng(0), 8)
    assert {window[0].start for window in found} == {0, 8, 16, 24, 32}
    assert {window[1].start for window in found} == {0, 8}
    assert all(side.stop - side.start == 32 for window in found for side in window)


def test_what_is_smaller_than_a_window_is_taken_whole():
    (window,) = crops.drawn((20, 40), 1, 32, np.random.default_rng(0))
    assert np.zeros((1, 1, 20, 40))[:, :, *window].shape == (1, 1, 20, 32)


def test_pictures_are_cut_and_stacked():
    rows = [{"x": np.arange(16, dtype=np.float32).reshape(1, 1, 4, 4) + 100 * i} for i in range(3)]
    windows = [(slice(0, 2), slice(0, 2)), (slice(2, 4), slice(1, 3))]
    made = crops.Held(rows, ["x"], "cpu").stacked([2, 0], windows)["x"]
    assert made.shape == (2, 1, 2, 2)
    assert made[:, 0, 0, 0].tolist() == [200, 9]


def test_only_what_answers_every_place_alike_is_cut(small):
    picture = {small.graph.inputs[0]: small.pictures[0]}
    last = next(node.output[0] for node in small.graph.nodes if node.name == "cls0_last")
    assert crops.able(Network(small.graph, [last], small.placement), picture)
    assert not crops.able(Network(small.graph, small.graph.outputs, small.placement), picture)


LAST = np.iinfo(np.int64).max  # what exporters write for "to the end"


def ints(net, *values):
    return net.constant(np.array(values, np.int64))


OF_ONE_PLACE = {
    "a grid": lambda net, x: net.node("Concat", x, net.constant(np.ones((1, 2, 64, 64), np.float32)), axis=1),
    "a field": lambda net, x: net.node("Add", x, net.constant(np.ones((1, 1, 64, 64), np.float32))),
    "a size": lambda net, x: net.node("Resize", x, "", "", ints(net, 1, 8, 128, 128)),
    "columns": lambda net, x: net.node("Mul", x, net.constant(np.ones(64, np.float32))),
    "a cut": lambda net, x: net.node("Slice", x, ints(net, 8, 8), ints(net, 56, 56), ints(net, 2, 3)),
    "a cut to the end": lambda net, x: net.node("Slice", x, ints(net, 8), ints(net, LAST), ints(net, -1)),
    "a cut by twos": lambda net, x: net.node("Slice", x, ints(net, 0), ints(net, 32), ints(net, 2), ints(net, 2)),
    "halves": lambda net, x: net.node("Split", x, outputs=2, axis=2)[0],
    "stacked": lambda net, x: net.node("Concat", x, x, axis=2),
}
OF_ANY = {
    "a number": lambda net, x: net.node("Mul", x, net.constant(np.float32(2))),
    "a channel's": lambda net, x: net.node("Add", x, net.constant(np.ones((1, 8, 1, 1), np.float32))),
    "a factor": lambda net, x: net.node("Resize", x, "", net.constant(np.array([1, 1, 2, 2], np.float32))),
    "groups": lambda net, x: net.node("Split", x, ints(net, 3, 5), outputs=2, axis=1)[0],
    "channels": lambda net, x: net.node("Slice", x, ints(net, 0), ints(net, 4), ints(net, 1)),
    "a focus": lambda net, x: net.node("Slice", x, ints(net, 0), ints(net, LAST), ints(net, 2), ints(net, 2)),
}


@pytest.mark.parametrize("name", [*OF_ONE_PLACE, *OF_ANY])
def test_what_has_a_constant_of_one_place_is_not_cut(net, name):
    x = (OF_ONE_PLACE | OF_ANY)[name](net, net.layer("images", 3, 8, 3))
    graph = graphs.prepare(net.model(x))
    network = Network(graph, graph.outputs, plan(graph))
    assert crops.able(network, {"images": np.zeros((1, 3, 64, 64), np.float32)}) == (name in OF_ANY)
