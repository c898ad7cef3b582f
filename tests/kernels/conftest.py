"""Where kernels run in these tests: on the host, by g++ from the very same sources, and on a GPU if there is one."""

from contextlib import nullcontext

import numpy as np
import pytest

from streamd.gpu.kernels import DeviceKernels


class HostRig:
    """The host as a place where kernels run."""

    xp = np
    stream = nullcontext()

    def __init__(self, kernels) -> None:
        self.kernels = kernels

    def up(self, array):
        return np.array(array)  # a copy: the kernel writes to what is the device's, never to the test's

    def down(self, array):
        return np.array(array)

    def address(self, array):
        return array.ctypes.data

    def both_ways(self):
        """The orders in which the threads of a block may run."""
        for backwards in (False, True):
            self.kernels.backwards = backwards
            yield
        self.kernels.backwards = False


class DeviceRig:
    """The GPU as a place where kernels run."""

    def __init__(self, cupy, kernels) -> None:
        self.xp = cupy
        self.kernels = kernels
        self.stream = cupy.cuda.Stream(non_blocking=False)

    def up(self, array):
        return self.xp.asarray(array)

    def down(self, array):
        self.stream.synchronize()
        return self.xp.asnumpy(array)

    def address(self, array):
        return array.data.ptr

    def both_ways(self):
        """The orders in which the threads of a block may run: the GPU's own, twice."""
        yield from (None, None)


@pytest.fixture(scope="session")
def host(host_kernels):
    return HostRig(host_kernels)


@pytest.fixture(scope="session")
def device():
    cupy = pytest.importorskip("cupy", reason="no CuPy: no GPU to run kernels on")
    try:
        cupy.cuda.runtime.getDeviceCount()
    except cupy.cuda.runtime.CUDARuntimeError as error:
        pytest.skip(f"CuPy finds no GPU: {error}")
    return DeviceRig(cupy, DeviceKernels())


@pytest.fixture(params=["host", "device"])
def rig(request):
    return request.getfixturevalue(request.param)


@pytest.fixture
def guarded(rig):
    """Makes arrays that stand between bytes which nobody may touch, and checks those in the end."""
    made = []

    def make(shape, dtype):
        size, margin = int(np.prod(shape)) * np.dtype(dtype).itemsize, 512
        memory = rig.xp.full(size + 2 * margin, 0xA5, np.uint8)
        made.append((memory, margin, size))
        return memory[margin : margin + size].view(dtype).reshape(shape)

    yield make
    for memory, margin, size in made:
        bytes_ = rig.down(memory)
        assert (bytes_[:margin] == 0xA5).all() and (bytes_[margin + size :] == 0xA5).all(), "written outside an array"
