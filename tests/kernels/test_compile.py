"""Every kernel through NVIDIA's own compiler, for every GPU that streamd runs on; the GPU itself is not needed."""

import ctypes
import importlib.util
import re
from pathlib import Path

import pytest

from streamd import bundled
from streamd.gpu.kernels import OPTIONS, assemble

KERNELS = sorted(bundled.folder("kernels").glob("*.cu"))
ARCHITECTURES = ["75", "80", "86", "89", "90", "100", "120"]
CHECKS = {"string": ctypes.c_char_p, "count": ctypes.c_int}


@pytest.fixture(scope="session")
def nvrtc():
    spec = importlib.util.find_spec("nvidia")
    places = [Path(place) for place in (spec.submodule_search_locations or [])] if spec else []
    found = sorted(file for place in places for file in place.glob("**/libnvrtc.so.*"))
    if not found:
        pytest.skip("no libnvrtc: pip install nvidia-cuda-nvrtc")
    return ctypes.CDLL(str(found[-1]))


def compile_to_ptx(nvrtc, path, architecture):
    """Return the log of the compiler and the PTX, empty where it failed."""
    program = ctypes.c_void_p()
    source = assemble(path).encode()
    assert nvrtc.nvrtcCreateProgram(ctypes.byref(program), source, path.name.encode(), 0, None, None) == 0
    options = [*OPTIONS, f"--gpu-architecture=compute_{architecture}", "-default-device"]
    array = (ctypes.c_char_p * len(options))(*(option.encode() for option in options))
    failed = nvrtc.nvrtcCompileProgram(program, len(options), array)
    log = text(nvrtc.nvrtcGetProgramLogSize, nvrtc.nvrtcGetProgramLog, program)
    ptx = "" if failed else text(nvrtc.nvrtcGetPTXSize, nvrtc.nvrtcGetPTX, program)
    nvrtc.nvrtcDestroyProgram(ctypes.byref(program))
    return log, ptx


def text(size_of, fill, program):
    size = ctypes.c_size_t()
    assert size_of(program, ctypes.byref(size)) == 0
    buffer = ctypes.create_string_buffer(size.value)
    assert fill(program, buffer) == 0
    return buffer.value.decode()


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("path", KERNELS, ids=lambda path: path.stem)
def test_nvrtc_compiles_it_without_a_word(nvrtc, path, architecture):
    log, ptx = compile_to_ptx(nvrtc, path, architecture)
    names = re.findall(r'extern "C" __global__ void (?:__launch_bounds__\([\d, ]+\) )?(\w+)\(', path.read_text())
    assert not log, log
    assert names and all(f".entry {name}(" in ptx for name in names)


def test_the_log_of_a_broken_kernel_names_the_file_and_line_it_came_from(nvrtc, tmp_path):
    (tmp_path / "part.cuh").write_text("#pragma once\n\n__device__ int half_of(int x) { return y; }\n")
    broken = tmp_path / "broken.cu"
    broken.write_text('// broken\n#include "part.cuh"\nextern "C" __global__ void f(int* a) { a[0] = nothing; }\n')
    log, ptx = compile_to_ptx(nvrtc, broken, "75")
    assert not ptx
    assert "part.cuh(3): error" in log and "broken.cu(3): error" in log
