"""Outputs whose first side is no batch, of models that ONNX Runtime runs."""

import numpy as np
import pytest

from streamd.errors import ModelError
from streamd.infer import load
from tests.gpu.odd_models import suppressed, whole
from tests.gpu.tiny_onnx import model, node


def test_an_output_that_holds_what_was_found_in_all_pictures_is_refused(tmp_path):
    read, constants = suppressed("boxes", "scores", "found")
    split = [
        node("Slice", ["images", "zero", "four", "last"], ["wide"]),
        node("Reshape", ["wide", "rows"], ["boxes"]),
        node("Reshape", ["wide", "columns"], ["scores"]),
    ]
    constants |= {"zero": whole([0]), "four": whole([4]), "last": whole([3])}
    constants |= {"rows": whole([1, -1, 4]), "columns": whole([1, 4, -1])}
    path = tmp_path / "selected.onnx"
    path.write_bytes(model([*split, *read], {"images": (1, 3, 8, 8)}, {"nms_found": ("k", 6)}, constants))
    with pytest.raises(ModelError, match="its first side is no batch; export it with a batch first"):
        load(path)


@pytest.mark.parametrize("device", ["cpu", "cuda:0"])
def test_one_that_passed_by_chance_is_refused_when_it_shows(host_as_cuda, tmp_path, device):
    """Of a picture of zeros the model makes one row, as if that were its batch; of others it makes more."""
    nodes = [
        node("Reshape", ["images", "flat"], ["all"]),
        node("NonZero", ["all"], ["places"]),
        node("Transpose", ["places"], ["tall"], perm=[1, 0]),
        node("Cast", ["tall"], ["one"], to=1),
        node("Concat", ["one"] * 6, ["six"], axis=1),
        node("Concat", ["first", "six"], ["rows"], axis=0),
    ]
    constants = {"flat": whole([-1]), "first": np.zeros((1, 6), np.float32)}
    path = tmp_path / "rows.onnx"
    path.write_bytes(model(nodes, {"images": (1, 3, 8, 8)}, {"rows": ("k", 6)}, constants))
    backend = load(path, device=device)
    backend.input(0)[:] = 0
    backend.run(0, 1)
    backend.input(0).reshape(-1)[:7] = 1
    with pytest.raises(ModelError, match="output rows is 8x6 for a batch of 1: its first side is no batch"):
        backend.run(0, 1)
