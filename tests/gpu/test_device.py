"""What CUDA refuses, told as one line; CuPy is a stand-in that refuses."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest

from streamd.errors import DeviceError
from streamd.gpu import device
from streamd.gpu.device import CudaGpu, open_gpu
from streamd.gpu.timeline import Timeline
from tests.gpu.fake_cupy import RuntimeFailure, cupy, fails


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


def test_a_kernel_that_failed_is_told_where_its_slot_is_waited_for():
    timeline = Timeline(CudaGpu(cupy(), 0), 1)
    with pytest.raises(DeviceError, match="cuda:0: cudaErrorIllegalAddress: an illegal memory access"):
        timeline.wait(0)


def test_copies_are_put_on_the_stream_by_address_in_the_direction_that_is_meant():
    put = []
    module = cupy()
    kinds = {"memcpyHostToDevice": 1, "memcpyDeviceToHost": 2, "memcpyDeviceToDevice": 3}
    vars(module.cuda.runtime).update(kinds, memcpyAsync=lambda *copy: put.append(copy))
    gpu, stream = CudaGpu(module, 0), SimpleNamespace(ptr=77)
    host, (here, there) = np.zeros(8, np.uint8), (OnDevice(1000, 8), OnDevice(2000, 16))
    gpu.upload(host, there, stream)
    gpu.download(here, host, stream)
    gpu.copy(here, there, stream)
    at = host.ctypes.data
    assert put == [(2000, at, 8, 1, 77), (at, 1000, 8, 2, 77), (2000, 1000, 8, 3, 77)]
    with pytest.raises(ValueError, match="16 bytes do not fit"):
        gpu.copy(there, here, stream)


class OnDevice:
    """An array of bytes of CuPy."""

    dtype = np.dtype(np.uint8)
    flags = SimpleNamespace(c_contiguous=True)

    def __init__(self, address, size):
        self.data = SimpleNamespace(ptr=address)
        self.shape, self.nbytes = (size,), size
