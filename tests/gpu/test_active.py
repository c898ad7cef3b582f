"""The GPU that a thread is on, and what CUDA refuses there, told as one line."""

from types import SimpleNamespace

import pytest

from streamd.errors import DeviceError
from streamd.gpu.device import CudaGpu
from tests.gpu.fake_cupy import LOST, DriverFailure, RuntimeFailure, cupy, fails


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


def test_a_library_that_changes_the_threads_gpu_does_not_mislead():
    module = cupy()
    first = CudaGpu(module, 0)
    with first.active():
        pass
    module.cuda.used.append(1)  # ONNX Runtime opened a session on the second
    with first.active():
        assert module.cuda.used[-1] == 0


def test_a_gpu_that_cannot_be_made_current_is_told_and_leaves_no_trace(monkeypatch):
    module = cupy()
    first, second = CudaGpu(module, 0), CudaGpu(module, 1)
    use, refuse = module.cuda.Device, SimpleNamespace(use=fails(RuntimeFailure(46, "cudaErrorDevicesUnavailable")))
    monkeypatch.setattr(module.cuda, "Device", lambda index: refuse if index == 1 else use(index))
    with first.active():
        with pytest.raises(DeviceError, match="cuda:1: cudaErrorDevicesUnavailable; see `nvidia-smi`"):
            second.stream()
        assert module.cuda.used[-1] == 0


def test_a_gpu_that_is_lost_is_told_as_it_was_lost():
    module = cupy()
    first, second = CudaGpu(module, 0), CudaGpu(module, 1)
    with pytest.raises(DeviceError, match="cuda:1: cudaErrorIllegalAddress"), first.active(), second.active():
        module.cuda.Device = lambda index: SimpleNamespace(use=fails(RuntimeFailure(46, "another")))
        raise LOST


def test_an_error_of_ours_passes_as_it_is():
    mine = DeviceError("cuda:0: mine")
    with pytest.raises(DeviceError) as caught, CudaGpu(cupy(), 0).active():
        raise mine
    assert caught.value is mine
