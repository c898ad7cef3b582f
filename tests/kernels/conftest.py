"""Where kernels run in these tests: on the host, by g++ from the very same sources, and on a GPU if there is one."""

import ctypes
import re
import shutil
import subprocess
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest

from streamd import bundled
from streamd.gpu.kernels import DeviceKernels

HERE = Path(__file__).resolve().parent
FLAGS = [
    *("-std=c++17", "-O1", "-ffp-contract=off", "-fPIC", "-shared", "-fno-strict-aliasing", "-U_FORTIFY_SOURCE"),
    *("-Wall", "-Wextra", "-Wno-unknown-pragmas", "-Wno-unused-function"),
    *("-fsanitize=shift,signed-integer-overflow", "-fno-sanitize-recover=all"),
]
KERNEL = re.compile(r'extern "C" __global__ void (?:__launch_bounds__\(\d+\) )?(\w+)\(')
FIBERS = 48  # threads of a block that meet at barriers: enough for every case, an odd number of warps
SCALARS = {
    np.int32: ctypes.c_int32,
    np.uint32: ctypes.c_uint32,
    np.uint64: ctypes.c_uint64,
    np.float32: ctypes.c_float,
}


class HostKernels:
    """Kernels by file and name; a file is compiled once. `backwards` runs the threads of a block last to first."""

    def __init__(self, build: Path, source: Path) -> None:
        self.backwards = False
        self._build = build
        self._source = source
        self._libraries = {}

    def get(self, file, name):
        if file not in self._libraries:
            self._libraries[file] = self._compile(file)
        library, barriers = self._libraries[file]
        function = getattr(library, f"host_{name}")

        def launch(grid, block, arguments, *, stream):
            del stream
            if barriers and len(block) == 1:
                block = (min(block[0], FIBERS),)
            values = [_value(argument) for argument in arguments]
            pointers = (ctypes.c_void_p * len(values))(*map(ctypes.addressof, values))
            failed = function(_dim(grid), _dim(block), barriers, self.backwards, pointers, len(values))
            assert not failed, f"{name} does not take {len(values)} arguments"

        return launch

    def _compile(self, file):
        sources = [(self._source / f"{file}.cu").read_text(), *self._parts(file + ".cu")]
        lines = ['#include "cuda_on_host.h"', f'#include "{file}.cu"']
        if any("struct Half" in source for source in sources):
            lines.append("HALF_ON_HOST")
        lines += [
            f'extern "C" int host_{name}(const unsigned* grid, const unsigned* block, int barriers, int backwards, '
            f"void** values, size_t count) "
            f"{{ return host::launch({name}, grid, block, barriers, backwards, values, count); }}"
            for name in KERNEL.findall(sources[0])
        ]
        unit, library = self._build / f"{file}.cpp", self._build / f"{file}.so"
        unit.write_text("\n".join(lines) + "\n")
        command = ["g++", *FLAGS, f"-I{HERE}", f"-I{self._source}", str(unit), "-o", str(library)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0 and not done.stderr, done.stderr
        return ctypes.CDLL(str(library)), any("__syncthreads" in source for source in sources)

    def _parts(self, name):
        for part in re.findall(r'#include "(\w+\.cuh)"', (self._source / name).read_text()):
            yield (self._source / part).read_text()
            yield from self._parts(part)


class HostRig:
    """The host as a place where kernels run."""

    xp = np
    stream = nullcontext()

    def __init__(self, kernels: HostKernels) -> None:
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
def host(tmp_path_factory):
    if shutil.which("g++") is None:
        pytest.skip("no g++ to compile the kernels for the host: apt install g++")
    return HostRig(HostKernels(tmp_path_factory.mktemp("kernels"), bundled.folder("kernels")))


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


def _value(argument):
    if isinstance(argument, np.ndarray):
        return ctypes.c_void_p(argument.ctypes.data)
    return SCALARS[type(argument)](argument)


def _dim(size):
    return (ctypes.c_uint * 3)(*size, *[1] * (3 - len(size)))
