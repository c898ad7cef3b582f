"""Random small graphs of all that the workshop has a rule for: every file loads, runs, and answers as it should."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from streamd.int8 import graph as graphs
from streamd.int8 import qdq
from streamd.int8.calibrate import calibrate
from streamd.int8.half import to_half
from streamd.int8.lint import lint
from streamd.int8.placement import plan
from streamd.int8.scales import choose
from streamd.int8.thresholds import minmax
from tests.int8.fuzz import BATCH, SIDE, Fuzz, held

SEEDS = range(30)
MOST = 0.15  # of the root of the mean square of an output: what 8 bits may cost in so few layers
KEPT = 0.2  # of the nodes, in every third graph


def drift(expected, got):
    return max(
        float(np.sqrt(np.mean((a - b) ** 2)) / (np.sqrt(np.mean(a**2)) + 1e-3))
        for a, b in zip(expected, got, strict=True)
    )


def attempt(seed):
    """Return how far each file of a random graph is from the float model."""
    fuzz = Fuzz(seed)
    fuzz.grow(int(fuzz.random.integers(3, 12)))
    model = fuzz.finished()
    graph = graphs.prepare(model)
    pictures = [fuzz.random.random((BATCH, 3, SIDE, SIDE)).astype(np.float32) for _ in range(2)]
    expected = held(model, pictures[0], fused=False)
    for value, answer in zip(graph.model.graph.output, expected, strict=True):  # what follows a loop has no shape yet
        value.CopyFrom(helper.make_tensor_value_info(value.name, TensorProto.FLOAT, answer.shape))
    kept = {node.name for node in graph.nodes if fuzz.random.random() < KEPT} if seed % 3 == 0 else set()
    placement = plan(graph, lambda node: node.name in kept)
    scales = choose(graph, placement, calibrate(graph, pictures), minmax)
    files = {
        "float": graph.model,
        "trt": qdq.write(graph, placement, scales),
        "cpu": qdq.write(graph, placement, scales, qdq.CPU),
        "cpu7": qdq.write(graph, placement, scales, qdq.CPU_WITHOUT_VNNI),
    }
    files["half"] = to_half(files["trt"], "net", placement.head.decode)
    found = {}
    for name, file in files.items():
        onnx.checker.check_model(file, full_check=True)
        for fused in (False, True):
            found[name, fused] = drift(expected, held(file, pictures[0], fused=fused))
    rules = [f"{one}" for one in lint(files["half"])] + [f"{one}" for one in lint(files["cpu"], "onnxruntime")]
    return found, [rule for rule in rules if "[single-precision]" not in rule]


@pytest.mark.parametrize("seed", SEEDS)
def test_a_random_graph_is_quantized_soundly(seed):
    found, rules = attempt(seed)
    assert rules == []
    assert max(found.values()) < MOST, found
