"""The kernels on the host: compiled by g++ from the very same sources, run as loops or as fibers."""

import ctypes
import re
import subprocess
import threading
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
FLAGS = [
    *("-std=c++17", "-O1", "-ffp-contract=off", "-fPIC", "-shared", "-fno-strict-aliasing", "-U_FORTIFY_SOURCE"),
    *("-Wall", "-Wextra", "-Wno-unknown-pragmas", "-Wno-unused-function"),
    *("-fsanitize=shift,signed-integer-overflow", "-fno-sanitize-recover=all"),
]
KERNEL = re.compile(r'extern "C" __global__ void (?:__launch_bounds__\([\d, ]+\) )?(\w+)\(')
FIBERS = 48  # threads of a block that meet at barriers: enough for every case, an odd number of warps
SCALARS = {
    np.int32: ctypes.c_int32,
    np.uint32: ctypes.c_uint32,
    np.uint64: ctypes.c_uint64,
    np.float32: ctypes.c_float,
}


class HostKernels:
    """Kernels by file and name; a file is compiled once. `backwards` runs the threads of a block last to first.

    Any thread may launch; launches take turns, for a kernel's shared memory is static.
    """

    def __init__(self, build: Path, source: Path) -> None:
        self.backwards = False
        self._build = build
        self._source = source
        self._libraries = {}
        self._turn = threading.Lock()

    def get(self, file, name):
        with self._turn:
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
            with self._turn:
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


def _value(argument):
    if isinstance(argument, np.ndarray):
        return ctypes.c_void_p(argument.ctypes.data)
    return SCALARS[type(argument)](argument)


def _dim(size):
    return (ctypes.c_uint * 3)(*size, *[1] * (3 - len(size)))
