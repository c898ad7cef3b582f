"""What a saving is measured by. The judge as a whole is in test_quantize.py and test_whole_flow.py."""

from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from streamd import manifest
from streamd.errors import ModelError
from streamd.frames import Picture
from streamd.int8 import judge
from streamd.manifest import Input, Manifest


@pytest.fixture
def model(tmp_path):
    """A classifier of the mean colour, with a pair of Q and DQ in it."""
    nodes = [
        helper.make_node("QuantizeLinear", ["images", "scale"], ["codes"]),
        helper.make_node("DequantizeLinear", ["codes", "scale"], ["values"]),
        helper.make_node("GlobalAveragePool", ["values"], ["mean"]),
        helper.make_node("Flatten", ["mean"], ["logits"]),
    ]
    graph = helper.make_graph(
        nodes,
        "mean",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, 16, 16])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, 3])],
        [numpy_helper.from_array(np.float32(1 / 127), "scale")],
    )
    path = tmp_path / "mean.onnx"
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)], ir_version=9)
    path.write_bytes(made.SerializeToString())
    manifest.save(Manifest("classify", tuple("abc"), Input("images", 16, 16)), path)
    return path


@pytest.fixture
def picture():
    chroma = np.full((8, 8), 128, np.uint8)
    return Picture(np.zeros((16, 16), np.uint8), chroma, chroma)


def test_both_files_are_run_in_turn(model, picture, monkeypatch):
    order = []

    def run(self):
        order.append(self)

    monkeypatch.setattr(judge._Profiled, "run", run)
    monkeypatch.setattr(judge._Profiled, "by_operator", lambda self: {"Conv": 1.0, "QuantizeLinear": 0.25})
    saved = judge.saving(model, model, picture)
    assert len(order) == 2 * judge.RUNS
    assert order[::2] == order[:1] * judge.RUNS
    assert order[1::2] == order[1:2] * judge.RUNS
    assert (saved.floating, saved.integer, saved.quantize, saved.dequantize) == (1.25, 1.0, 0.25, 0.0)


def test_a_profile_tells_the_operators_apart(model, picture, tmp_path):
    one = judge._Profiled(model, picture, tmp_path / "run")
    one.run()
    spent = one.by_operator()
    assert spent["GlobalAveragePool"] > 0
    assert "Conv" not in spent


@pytest.mark.parametrize("keep", [0, 100])
def test_a_profile_that_a_full_disk_cut_off_is_told(model, picture, tmp_path, monkeypatch, keep):
    one = judge._Profiled(model, picture, tmp_path / "run")
    one.run()
    whole = Path.read_text
    monkeypatch.setattr(Path, "read_text", lambda path, encoding: whole(path, encoding)[:keep])
    with pytest.raises(ModelError, match=r"run.*\.json: ONNX Runtime's profile is cut off; make room there"):
        one.by_operator()
