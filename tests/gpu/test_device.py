"""What CUDA refuses, told as one line; CuPy is a stand-in that refuses."""

import sys
from types import SimpleNamespace

import pytest

from streamd.errors import DeviceError
from streamd.gpu import device
from streamd.gpu.device import CudaGpu, open_gpu
from streamd.gpu.timeline import Timeline


class CudaError(RuntimeError):
    """CuPy's, of the runtime or of the driver."""

    def __init__(self, status, text):
        super().__init__(text)
        self.status = status


class RuntimeFailure(CudaError):
    pass


class DriverFailure(CudaError):
    pass


LOST = RuntimeFailure(700, "cudaErrorIllegalAddress: an illegal memory access was encountered")
FULL = RuntimeFailure(2, "cudaErrorMemoryAllocation: out of memory")


def fails(error):
    def call(*_arguments, **_options):
        raise error

    return call


class Event:
    """An event that reports what went wrong before it."""

    def __init__(self, **_options):
        pass

    def record(self, stream):
        pass

    synchronize = fails(LOST)


def cupy(count=lambda: 2, **more):
    """What `CudaGpu` uses of CuPy, on a machine with two GPUs."""
    about = {"name": b"Stand-in", "major": 9, "minor": 0}
    runtime = SimpleNamespace(
        CUDARuntimeError=RuntimeFailure, getDeviceCount=count, getDeviceProperties=lambda index: about
    )
    used = []
    cuda = {
        "used": used,
        "runtime": runtime,
        "driver": SimpleNamespace(CUDADriverError=DriverFailure),
        "Device": lambda index: SimpleNamespace(use=lambda: used.append(index)),
        "Event": Event,
        "Stream": lambda **_: SimpleNamespace(),
        "alloc_pinned_memory": fails(FULL),
    }
    return SimpleNamespace(cuda=SimpleNamespace(**cuda | more))


@pytest.fixture
def installed(monkeypatch):
    """Installs a stand-in; a GPU that was opened before is opened anew."""

    def install(module):
        monkeypatch.setitem(sys.modules, "cupy", module)
        return module

    device._open.cache_clear()
    yield install
    device._open.cache_clear()


def test_a_gpu_is_opened_once_however_it_is_spelled(installed):
    installed(cupy())
    assert open_gpu("cuda") is open_gpu("cuda:0") is not open_gpu("cuda:1")


@pytest.mark.parametrize(
    ("count", "told"),
    [
        (lambda: 1, "device cuda:2: there is no such GPU; this machine has only cuda:0"),
        (lambda: 2, "device cuda:2: there is no such GPU; this machine has cuda:0 to cuda:1"),
        (lambda: 0, "device cuda:2: there is no such GPU; this machine has none"),
        (
            fails(RuntimeFailure(100, "cudaErrorNoDevice: no device")),
            r"device cuda:2: CUDA finds no GPU \(cudaErrorNoDevice: no device\); `streamd doctor` tells what",
        ),
    ],
)
def test_a_gpu_that_is_not_there_is_told(installed, count, told):
    installed(cupy(count))
    with pytest.raises(DeviceError, match=told):
        open_gpu("cuda:2")


def test_a_gpu_that_does_not_answer_is_told(installed):
    installed(cupy(Event=fails(RuntimeFailure(46, "cudaErrorDevicesUnavailable: busy or unavailable"))))
    with pytest.raises(DeviceError, match="cuda:1: cudaErrorDevicesUnavailable: busy or unavailable; see `nvidia-smi`"):
        open_gpu("cuda:1")


def test_what_is_not_installed_is_named(installed):
    installed(None)
    with pytest.raises(DeviceError, match="device cuda:0: CuPy is not installed; pip install"):
        open_gpu("cuda:0")


def test_no_page_locked_memory_is_no_memory():
    with pytest.raises(DeviceError, match="cuda:0: cudaErrorMemoryAllocation: out of memory; lower batch"):
        CudaGpu(cupy(), 0).pinned((16,), "uint8")


@pytest.mark.parametrize("error", [LOST, DriverFailure(700, "CUDA_ERROR_ILLEGAL_ADDRESS")])
def test_what_fails_while_a_gpu_is_active_is_told_with_its_name(error):
    with pytest.raises(DeviceError, match=r"^cuda:1: .*; see `nvidia-smi` and `dmesg`"), CudaGpu(cupy(), 1).active():
        raise error


def test_a_thread_that_was_on_another_gpu_is_on_it_again():
    module = cupy()
    seen = module.cuda.used
    first, second = CudaGpu(module, 0), CudaGpu(module, 1)
    with first.active():
        del seen[:]
        with second.active(), second.active():
            assert seen == [1]
        assert seen == [1, 0]
        with first.active():
            assert seen == [1, 0]


def test_an_error_of_ours_passes_as_it_is():
    mine = DeviceError("cuda:0: mine")
    with pytest.raises(DeviceError) as caught, CudaGpu(cupy(), 0).active():
        raise mine
    assert caught.value is mine


def test_a_kernel_that_failed_is_told_where_its_slot_is_waited_for():
    timeline = Timeline(CudaGpu(cupy(), 0), 1)
    with pytest.raises(DeviceError, match="cuda:0: cudaErrorIllegalAddress: an illegal memory access"):
        timeline.wait(0)
