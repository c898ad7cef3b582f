import numpy as np
import pytest

from streamd.int8 import graph as graphs
from streamd.int8.frontier import Frontier, cuts
from streamd.int8.placement import plan
from streamd.int8.scales import Scales
from streamd.int8.segments import inferred
from streamd.int8.stretch import crossing


@pytest.fixture(scope="module")
def graph(detector_model):
    return graphs.prepare(detector_model)


def test_a_frontier_that_was_moved_to_the_end_has_the_models_answers(graph, pictures, run):
    frontier = Frontier(graph, plan(graph), Scales(), pictures, graph.outputs)
    for at in (5, 6, 20, 20, len(graph.nodes)):
        frontier.move(at)
    for live, picture in zip(frontier.pictures, pictures, strict=True):
        assert set(live) == set(graph.outputs)
        expected = run(graph.model, picture)[graph.outputs[0]]
        assert np.allclose(live[graph.outputs[0]], expected, atol=1e-5)


def test_it_keeps_what_crosses_and_no_more(graph, pictures):
    frontier = Frontier(graph, plan(graph), Scales(), pictures, ())
    frontier.move(12)
    assert set(frontier.pictures[0]) == set(crossing(graph, 12))


def test_it_never_goes_back(graph, pictures):
    frontier = Frontier(graph, plan(graph), Scales(), pictures, ())
    frontier.move(12)
    frontier.move(3)
    assert frontier.at == 12


def test_cuts_are_where_the_budget_allows_and_never_after_the_start(graph):
    _, sizes = inferred(graph, (1, 3, 64, 64))
    starts = [0, 4, 9, 20, 33]
    assert cuts(graph, starts, sizes, 2, 1 << 30) == starts
    assert cuts(graph, starts, sizes, 2, 0) == [0] * 5
    assert cuts(graph, starts, {}, 1, 1 << 30) == [0] * 5  # nothing is known of what crosses
    held = {at: sum(sizes[name] for name in crossing(graph, at)) for at in starts}
    budget = sorted(held.values())[2]
    for start, at in zip(starts, cuts(graph, starts, sizes, 1, budget), strict=True):
        assert at <= start
        assert at == 0 or held[at] <= budget
