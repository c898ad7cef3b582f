import importlib.util
import os
import sys
from types import SimpleNamespace

import numpy as np
import onnxruntime as ort
import pytest

from streamd.checkup import Missing
from streamd.errors import ModelError
from streamd.infer import probe


class Session:
    """One that has the CUDA provider, or falls back to the CPU and says on stderr why."""

    works = True
    answer = 0.0

    def __init__(self, path, options, providers, enable_fallback):
        self.providers = providers if self.works else providers[1:]
        if not self.works:
            os.write(2, b"a note\n[E:onnxruntime] Error loading libonnxruntime_providers_cuda.so: libcudnn.so.9\n")

    def get_inputs(self):
        return [SimpleNamespace(name="images", shape=["batch", 3, 8, 8])]

    def get_providers(self):
        return self.providers

    def run(self, names, feed):
        assert feed["images"].shape == (1, 3, 8, 8)
        return [np.full(4, self.answer)]


@pytest.fixture
def runtime(monkeypatch):
    """An ONNX Runtime with CUDA."""
    module = SimpleNamespace(
        __version__="1.31.1",
        get_available_providers=lambda: [probe.CUDA, probe.CPU],
        preload_dlls=lambda: None,
        SessionOptions=ort.SessionOptions,
        InferenceSession=Session,
    )
    monkeypatch.setitem(sys.modules, "onnxruntime", module)
    return module


def test_the_bundled_model_runs_on_the_cpu():
    assert probe.on_cpu().startswith(f"{ort.__version__}, providers: ")
    assert "CPU" in probe.on_cpu()


def test_a_runtime_that_gives_no_numbers_is_broken(runtime, monkeypatch):
    monkeypatch.setattr(Session, "answer", np.nan)
    with pytest.raises(ModelError, match="no number"):
        probe.on_cpu()


def test_a_provider_that_loads_is_there(runtime):
    assert probe.on_cuda() == "runs the bundled model"


def test_a_provider_that_does_not_load_says_why(runtime, monkeypatch):
    monkeypatch.setattr(Session, "works", False)
    with pytest.raises(ModelError, match=r"does not load: .*libcudnn\.so\.9"):
        probe.on_cuda()


@pytest.mark.parametrize(
    ("installed", "said"),
    [(["onnxruntime"], "this ONNX Runtime has no CUDA"), (["onnxruntime", "onnxruntime-gpu"], "has written over")],
)
def test_a_runtime_without_cuda_is_missing_it(runtime, monkeypatch, installed, said):
    monkeypatch.setattr(runtime, "get_available_providers", lambda: [probe.CPU])
    monkeypatch.setattr(probe.metadata, "distributions", lambda: [SimpleNamespace(name=name) for name in installed])
    with pytest.raises(Missing, match=said):
        probe.on_cuda()


@pytest.fixture
def tensorrt(monkeypatch):
    """Puts one of the modules of TensorRT in place, and none of the others."""

    def put(name, build):
        trt = SimpleNamespace(__version__="11.4.0", Logger=lambda level: None, Builder=build)
        trt.Logger.ERROR = 1
        monkeypatch.setattr(importlib.util, "find_spec", lambda asked: asked if asked == name else None)
        monkeypatch.setitem(sys.modules, name, trt)

    return put


@pytest.mark.parametrize("name", ["tensorrt", "tensorrt_rtx"])
def test_either_tensorrt_will_do(tensorrt, name):
    tensorrt(name, lambda logger: object())
    assert probe.tensorrt() == f"11.4.0 ({name})"


def test_without_either_it_is_missing(tensorrt):
    tensorrt("another", None)
    with pytest.raises(Missing, match="no Python module tensorrt or tensorrt_rtx"):
        probe.tensorrt()


def test_a_tensorrt_that_does_not_start_is_broken(tensorrt):
    def fail(logger):
        raise TypeError("pybind11::init(): factory function returned nullptr")

    tensorrt("tensorrt", fail)
    found = next(each for each in probe.probes() if each.name == "TensorRT")()
    assert found.state == "broken" and "nullptr" in found.said
