import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra `train` is not installed")

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
