"""Tiny ONNX models, made as the tests need them, and engines of the stand-in (standin.py), which are ONNX files."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from streamd.infer import load
from tests.infer.standin import VERSIONS

Shape = Sequence[int | str]
Make = Callable[..., Path]


def save(path, nodes, inputs, outputs, constants=None, metadata=None):
    graph = helper.make_graph(
        nodes,
        "test",
        [helper.make_tensor_value_info(name, kind, shape) for name, kind, shape in inputs],
        [helper.make_tensor_value_info(name, kind, shape) for name, kind, shape in outputs],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in (constants or {}).items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    helper.set_model_props(model, metadata or {})
    onnx.save(model, path)
    return path


@pytest.fixture
def mean_model(tmp_path) -> Make:
    """A classifier whose class k is the mean of the picture plus k: rows are easy to tell apart."""

    def make(
        shape: Shape = (1, 3, 8, 8), kind=TensorProto.FLOAT, classes=4, metadata=None, name="mean.onnx", batch=None
    ):
        nodes = [
            helper.make_node("Cast", ["images"], ["wide"], to=TensorProto.FLOAT),
            helper.make_node("ReduceMean", ["wide"], ["mean"], axes=[1, 2, 3], keepdims=0),
            helper.make_node("Reshape", ["mean", "column"], ["tall"]),
            helper.make_node("Add", ["tall", "steps"], ["logits"]),
        ]
        constants = {"column": np.array([-1, 1]), "steps": np.arange(classes, dtype=np.float32)[None]}
        first = shape[0] if shape else 1
        outputs = [("logits", TensorProto.FLOAT, [batch or first, classes])]
        return save(tmp_path / name, nodes, [("images", kind, shape)], outputs, constants, metadata)

    return make


@pytest.fixture
def nonzero_model(tmp_path) -> Make:
    """A model with as many end2end rows as its picture has non-zero values: a shape that hangs on the data."""

    def make(name="nonzero.onnx"):
        nodes = [
            helper.make_node("NonZero", ["images"], ["places"]),
            helper.make_node("Transpose", ["places"], ["tall"], perm=[1, 0]),
            helper.make_node("Cast", ["tall"], ["four"], to=TensorProto.FLOAT),
            helper.make_node("Concat", ["four", "four"], ["eight"], axis=1),
            helper.make_node("Slice", ["eight", "start", "stop", "axis"], ["six"]),
            helper.make_node("Unsqueeze", ["six", "front"], ["boxes"]),
        ]
        constants = {"start": np.array([0]), "stop": np.array([6]), "axis": np.array([1]), "front": np.array([0])}
        inputs = [("images", TensorProto.FLOAT, [1, 3, 8, 8])]
        return save(tmp_path / name, nodes, inputs, [("boxes", TensorProto.FLOAT, [1, "found", 6])], constants)

    return make


@pytest.fixture
def two_inputs(tmp_path) -> Path:
    nodes = [helper.make_node("Add", ["images", "more"], ["sum"])]
    shape = [1, 3, 8, 8]
    inputs = [("images", TensorProto.FLOAT, shape), ("more", TensorProto.FLOAT, shape)]
    return save(tmp_path / "two.onnx", nodes, inputs, [("sum", TensorProto.FLOAT, shape)])


@pytest.fixture(params=VERSIONS)
def version(request):
    return request.param


@pytest.fixture
def engine(mean_model):
    """An engine whose class k is the mean of the picture plus k; `header` is Ultralytics'."""

    def engine(shape=("n", 3, 8, 8), header=None, **options):
        path = mean_model(shape, **options)
        made = path.with_suffix(".engine")
        text = json.dumps(header).encode() if header else b""
        made.write_bytes((len(text).to_bytes(4, "little") + text if header else b"") + path.read_bytes())
        return made

    return engine


@pytest.fixture
def on_gpu(host_as_cuda):
    """Loads a model on the host as if it were `cuda:0`."""

    def make(path, batch=1):
        backend = load(path, batch=batch, device="cuda:0")
        assert host_as_cuda[-1][1] == backend.slots.timeline.run_stream.ptr
        return backend

    return make
