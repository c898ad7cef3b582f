"""The TensorRT file before TensorRT itself, as far as that goes without a GPU: parsed, built, its layers read."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from streamd.int8 import graph as graphs
from streamd.int8 import hard, qdq
from streamd.int8.bias import of_weights
from streamd.int8.calibrate import calibrate
from streamd.int8.groups import groups, only, without
from streamd.int8.half import to_half
from streamd.int8.lint import lint
from streamd.int8.placement import plan
from streamd.int8.scales import choose
from streamd.int8.thresholds import minmax

BUNDLED = Path(__file__).parents[2] / "streamd/assets/street.onnx"


@pytest.fixture
def build(tensorrt, tmp_path):
    """Build a model and return what TensorRT told and made."""

    def build(model):
        path = tmp_path / "model.onnx"
        path.write_bytes(model.SerializeToString())
        command = [sys.executable, str(Path(__file__).with_name("tensorrt_build.py")), str(path)]
        done = subprocess.run(command, env=tensorrt, capture_output=True, check=False, text=True)
        assert done.returncode == 0, done.stderr[-2000:]
        return json.loads(done.stdout)

    return build


def written(graph, pictures, base):
    placement = plan(graph)
    model = qdq.write(graph, placement, choose(graph, placement, calibrate(graph, pictures), minmax))
    return placement, model if base == "fp32" else to_half(model, graph.name, placement.head.decode)


@pytest.mark.parametrize(("which", "base"), [("small", "fp32"), ("bundled", "fp16")])
def test_every_quantized_layer_becomes_an_integer_one_without_a_warning(build, detector_model, pictures, which, base):
    graph = graphs.prepare(detector_model) if which == "small" else graphs.load(BUNDLED)
    noise = pictures if which == "small" else [np.random.default_rng(0).random((1, 3, 416, 416)).astype(np.float32)]
    placement, model = written(graph, noise, base)
    made = build(model)
    assert (made["built"], made["told"]) == (True, [])
    integers = [name for name, kind, types in made["layers"] if (kind, types) == ("correlation", ["Int8", "Int8"])]
    assert len(integers) == len(placement.layers)


def test_a_hard_model_with_layers_left_in_float_and_biases_corrected_is_built_likewise(build):
    graph = graphs.load(BUNDLED)
    spread = hard.harden(graph)
    noise = [np.random.default_rng(0).random((1, 3, 416, 416)).astype(np.float32)]
    whole = plan(graph)
    scales = choose(graph, whole, calibrate(graph, noise), minmax)
    names = {f"{tensor}{hard.SUFFIX}" for tensor in spread}
    placement = without(whole, [group for group in groups(graph, whole) if not names.isdisjoint(group.tensors)])
    scales = only(scales, placement.tensors)
    corrected = of_weights(graph, placement, scales, noise)
    model = to_half(qdq.write(corrected, placement, scales), graph.name, placement.head.decode)
    assert lint(model) == []
    made = build(model)
    assert (made["built"], made["told"]) == (True, [])
    integers = [name for name, kind, types in made["layers"] if (kind, types) == ("correlation", ["Int8", "Int8"])]
    assert len(integers) == len(placement.layers) == len(whole.layers) - len(spread)
