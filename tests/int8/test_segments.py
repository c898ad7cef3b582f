import numpy as np
import onnxruntime as ort
import pytest

from streamd.int8 import graph as graphs
from streamd.int8.calibrate import observed
from streamd.int8.segments import cut


@pytest.mark.parametrize("budget", [1, 100_000, 1 << 40])
def test_the_pieces_together_compute_what_the_whole_does(detector_model, run, pictures, budget):
    graph = graphs.prepare(detector_model)
    names = [name for name in observed(graph) if name != "images"]
    whole = type(graph.model)()
    whole.CopyFrom(graph.model)
    known = {value.name: value for value in graph.model.graph.value_info}
    whole.graph.output.extend(known[name] for name in names)
    expected = run(whole, pictures[0], names)
    live = {"images": pictures[0]}
    got = {}
    for piece in cut(graph, names, (1, 3, 64, 64), budget):
        session = ort.InferenceSession(piece.model.SerializeToString(), providers=["CPUExecutionProvider"])
        values = session.run(list(piece.outputs), {name: live[name] for name in piece.inputs})
        live |= dict(zip(piece.outputs, values, strict=True))
        got |= {name: live[name] for name in piece.observed}
    assert got.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(got[name], value, rtol=1e-4, atol=1e-5)


def test_no_piece_observes_more_than_the_budget(detector_model):
    graph = graphs.prepare(detector_model)
    names = observed(graph)
    sizes = {
        value.name: 4 * int(np.prod([dim.dim_value for dim in value.type.tensor_type.shape.dim]))
        for value in graph.model.graph.value_info
    }
    budget = 200_000
    pieces = cut(graph, names, (1, 3, 64, 64), budget)
    assert len(pieces) > 1
    for piece in pieces:
        assert sum(sizes[name] for name in piece.observed) <= budget or len(piece.observed) == 1


def test_what_comes_after_the_last_observed_tensor_is_left_out(detector_model):
    (piece,) = cut(graphs.prepare(detector_model), ["images", "t1_0"], (1, 3, 64, 64), 1 << 40)
    assert [node.op_type for node in piece.model.graph.node] == ["Conv", "Sigmoid"]


def test_nothing_to_observe_is_nothing_to_run(detector_model):
    assert cut(graphs.prepare(detector_model), ["images"], (1, 3, 64, 64), 1) == []
