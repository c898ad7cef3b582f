import sys
from contextlib import nullcontext
from types import SimpleNamespace

import numpy as np
import pytest

from streamd.checkup import Missing
from streamd.errors import DeviceError
from streamd.gpu import probe


class Driver:
    """A driver of one GPU."""

    def __init__(self, cuda=(13, 0), capability=(9, 0)):
        self.cuda, self.capability = lambda: cuda, lambda index: capability

    def count(self):
        return 2

    def name(self, index):
        return "NVIDIA H200"

    def memory(self, index):
        return 140 << 30


@pytest.fixture
def driver(monkeypatch):
    def put(*arguments, **options):
        monkeypatch.setattr(probe, "Driver", lambda: Driver(*arguments, **options))
        monkeypatch.setattr(probe, "release", lambda: "580.65.06")

    return put


@pytest.fixture
def no_driver(monkeypatch):
    def fail():
        raise Missing("there is none")

    monkeypatch.setattr(probe, "Driver", fail)


def test_the_driver_tells_its_versions(driver):
    driver()
    assert probe.driver() == "580.65.06, CUDA 13.0"


def test_a_driver_that_is_too_old_is_broken(driver):
    driver(cuda=(11, 4))
    with pytest.raises(DeviceError, match=r"CUDA 11\.4; streamd needs CUDA 12; install the NVIDIA driver, 580"):
        probe.driver()


def test_each_gpu_is_a_part(driver):
    driver()
    names = [each.name for each in probe.probes()]
    assert names == ["driver", "cuda:0", "cuda:1", "CuPy"]
    assert probe.device(0) == "NVIDIA H200, 140.0 GiB, compute capability 9.0"


def test_without_a_driver_there_are_no_gpus(no_driver):
    assert [each.name for each in probe.probes()] == ["driver", "CuPy"]


def test_a_gpu_that_is_too_old_is_broken(driver):
    driver(capability=(6, 1))
    with pytest.raises(DeviceError, match=r"capability 6\.1; streamd needs 7\.5; set device: cpu"):
        probe.device(0)


class Module:
    """A compiled kernel that multiplies by `factor`."""

    factor = 2

    def __init__(self, code, options, backend):
        assert "twice" in code and backend == "nvrtc"

    def get_function(self, name):
        def run(grid, block, arguments):
            arguments[0][: block[0]] *= self.factor

        return run


@pytest.fixture
def cupy(monkeypatch):
    """A CuPy of numpy, for CUDA 13 on a driver of CUDA 13, with two GPUs."""
    runtime = SimpleNamespace(runtimeGetVersion=lambda: 13000, driverGetVersion=lambda: 13010, getDeviceCount=lambda: 2)
    cuda = SimpleNamespace(runtime=runtime, nvrtc=SimpleNamespace(getVersion=lambda: (13, 0)), Device=nullcontext)
    module = SimpleNamespace(__version__="14.2.0", cuda=cuda, RawModule=Module, asarray=np.array, asnumpy=np.asarray)
    monkeypatch.setitem(sys.modules, "cupy", module)
    return module


def test_cupy_compiles_and_runs(cupy):
    assert probe.compiled() == "14.2.0; NVRTC 13.0 compiles, and 2 GPUs run the kernel"


def test_a_gpu_that_computes_wrongly_is_named(cupy, monkeypatch):
    monkeypatch.setattr(Module, "factor", 3)
    with pytest.raises(DeviceError, match="cuda:0 gives a wrong answer"):
        probe.compiled()


def test_a_cupy_for_a_newer_cuda_than_the_driver_is_broken(cupy, monkeypatch):
    monkeypatch.setattr(cupy.cuda.runtime, "driverGetVersion", lambda: 12040)
    with pytest.raises(DeviceError, match=r"for CUDA 13, the driver speaks 12; .*streamd\[gpu-cu12\]"):
        probe.compiled()


def test_a_cupy_without_a_driver_is_missing_it(cupy, monkeypatch):
    monkeypatch.setattr(cupy.cuda.runtime, "driverGetVersion", lambda: 0)
    with pytest.raises(Missing, match=r"14\.2\.0, and no driver"):
        probe.compiled()


def test_a_cupy_without_a_compiler_is_broken(cupy, monkeypatch):
    def fail():
        raise RuntimeError("CuPy failed to load libnvrtc.so.13")

    monkeypatch.setattr(cupy.cuda.nvrtc, "getVersion", fail)
    with pytest.raises(DeviceError, match=r"no NVRTC: CuPy failed.*pip install 'cupy-cuda13x\[ctk\]'"):
        probe.compiled()
