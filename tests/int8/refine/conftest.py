"""A small model quantized plainly, and one operator in torch beside ONNX Runtime."""

import importlib.util
from types import SimpleNamespace

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from streamd.int8 import graph as graphs
from streamd.int8.calibrate import calibrate
from streamd.int8.placement import Placement, plan
from streamd.int8.scales import choose
from streamd.int8.thresholds import minmax


def quantized(model, pictures):
    graph = graphs.prepare(model)
    placement = plan(graph)
    scales = choose(graph, placement, calibrate(graph, pictures), minmax)
    return SimpleNamespace(graph=graph, placement=placement, scales=scales, pictures=pictures)


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    """Let torch compute on one thread: networks this small gain nothing by more, which wait for each other spinning."""
    if importlib.util.find_spec("torch"):
        import torch  # noqa: PLC0415 - some tests here do without

        torch.set_num_threads(1)


@pytest.fixture(scope="session")
def small(detector_model, pictures):
    return quantized(detector_model, pictures)


@pytest.fixture(scope="session")
def plain():
    """Quantize a model plainly."""
    return quantized


@pytest.fixture
def alike(run):
    """Check that torch computes one operator as ONNX Runtime does; `constants` come after `x`."""

    def alike(op, x, *constants, outputs=1, **attributes):
        from streamd.int8.refine.network import Network  # noqa: PLC0415 - needs torch

        torch = pytest.importorskip("torch")
        given = [numpy_helper.from_array(np.asarray(c), f"c{i}") for i, c in enumerate(constants) if c is not None]
        names = ["x", *(f"c{i}" if c is not None else "" for i, c in enumerate(constants))]
        made = [f"y{i}" for i in range(outputs)]
        node = helper.make_node(op, names, made, "it", **attributes)
        kind = helper.np_dtype_to_tensor_dtype(x.dtype)
        values = [helper.make_tensor_value_info("x", kind, x.shape)]
        body = helper.make_graph([node], "one", values, [onnx.ValueInfoProto(name=name) for name in made], given)
        for value in body.output:
            value.type.tensor_type.elem_type = TensorProto.INT64 if op == "Shape" else kind
        model = helper.make_model(body, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
        expected = run(model, x)
        network = Network(graphs.Graph(model), made, Placement(None))
        got = network.run({"x": torch.from_numpy(x)})
        for name in made:
            assert got[name].numpy().shape == expected[name].shape
            np.testing.assert_allclose(got[name].numpy(), expected[name], rtol=1e-5, atol=1e-5)

    return alike


@pytest.fixture
def x():
    """A float tensor 2,8,9,10."""
    return np.random.default_rng(0).normal(size=(2, 8, 9, 10)).astype(np.float32)
