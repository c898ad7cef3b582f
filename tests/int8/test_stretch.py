import numpy as np
import pytest

from streamd.int8 import graph as graphs
from streamd.int8 import qdq
from streamd.int8.calibrate import calibrate
from streamd.int8.placement import plan
from streamd.int8.scales import Scales, choose
from streamd.int8.stretch import crossing, session, stretch
from streamd.int8.thresholds import minmax


@pytest.fixture(scope="module")
def graph(detector_model):
    return graphs.prepare(detector_model)


@pytest.mark.parametrize("at", [0, 1, 7, 30, 45])
def test_two_stretches_answer_as_the_whole(graph, pictures, run, at):
    names = crossing(graph, at)
    placement, scales = plan(graph), Scales()
    values = {"images": pictures[0]}
    for first, end, outputs in ((0, at, names), (at, len(graph.nodes), graph.outputs)):
        part = stretch(graph, first, end, outputs)
        if part.nodes:
            made = session(part, placement, scales)
            values |= made.run({name: values[name] for name in part.inputs}, part.outputs)
    expected = run(graph.model, pictures[0])
    assert np.allclose(values[graph.outputs[0]], expected[graph.outputs[0]], atol=1e-5)


@pytest.mark.parametrize("at", [7, 30])
def test_quantized_stretches_answer_as_the_whole_quantized_file(graph, pictures, run, at):
    placement = plan(graph)
    scales = choose(graph, placement, calibrate(graph, pictures), minmax)
    values = {"images": pictures[0]}
    for first, end, outputs in ((0, at, crossing(graph, at)), (at, len(graph.nodes), graph.outputs)):
        part = stretch(graph, first, end, outputs)
        made = session(part, placement, scales)
        values |= made.run({name: values[name] for name in part.inputs}, part.outputs)
    expected = run(qdq.write(graph, placement, scales), pictures[0])
    assert np.allclose(values[graph.outputs[0]], expected[graph.outputs[0]], atol=1e-4)


def test_only_what_the_outputs_need_is_in_a_stretch(graph):
    part = stretch(graph, 0, len(graph.nodes), ["t0_0"])
    assert [node.name for node in part.nodes] == ["stem"]
    assert (part.inputs, part.outputs) == (("images",), ("t0_0",))


def test_what_is_wanted_later_crosses_though_no_later_node_reads_it(graph):
    at = len(graph.nodes)
    assert crossing(graph, at) == ()
    assert crossing(graph, at, ["t0_0"]) == ("t0_0",)
