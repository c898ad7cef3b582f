import sys
from types import SimpleNamespace

import numpy as np
import pytest

from streamd import bundled
from streamd.errors import DeviceError
from streamd.gpu.arrays import check
from streamd.gpu.kernels import DeviceKernels, assemble

SOURCES = sorted(bundled.folder("kernels").glob("*.cu"))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_an_assembled_kernel_needs_no_other_file(path):
    assert "#include" not in assemble(path)


def test_an_include_that_is_needed_twice_stands_once(tmp_path):
    (tmp_path / "a.cuh").write_text("int a;\n")
    (tmp_path / "b.cuh").write_text('#include "a.cuh"\nint b;\n')
    (tmp_path / "k.cu").write_text('#include "a.cuh"\n#include "b.cuh"\nint k;\n')
    assert assemble(tmp_path / "k.cu").count("int a;") == 1


def test_lines_keep_their_numbers(tmp_path):
    (tmp_path / "a.cuh").write_text("int a;\n")
    (tmp_path / "k.cu").write_text('// k\n#include "a.cuh"\n\nint k;\n')
    lines = assemble(tmp_path / "k.cu").splitlines()
    start = lines.index('#line 3 "k.cu"')
    assert lines.index("int k;") - start - 1 == 4 - 3


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_a_kernel_says_its_purpose_arguments_and_launch_first(path):
    head = path.read_text().split("\n\n")[0]
    assert all(line.startswith("//") for line in head.splitlines())
    assert "// Arguments" in head and "// Launch: block" in head


@pytest.mark.parametrize(
    "array", [np.zeros((2, 4), np.float64), np.zeros((2, 5), np.float32), np.zeros((2, 8), np.float32)[:, ::2]]
)
def test_an_array_that_a_kernel_would_misread_is_refused(array):
    with pytest.raises(ValueError, match=r"x: expected float32 \(any, 4\), contiguous; got"):
        check("x", array, [np.float32], (None, 4))


def test_an_array_that_fits_is_taken():
    check("x", np.zeros((2, 4), np.float32), [np.float32], (None, 4))


class Refused(Exception):
    """What CuPy raises for a kernel that does not compile."""


class Module:
    def __init__(self, **_options):
        pass

    def compile(self):
        raise Refused("k.cu(1): error: identifier is undefined")


def test_a_kernel_that_does_not_compile_is_an_error_of_the_device(tmp_path, monkeypatch):
    compiler = SimpleNamespace(CompileException=Refused)
    cuda = SimpleNamespace(compiler=compiler, Device=lambda: SimpleNamespace(compute_capability="90"))
    monkeypatch.setitem(sys.modules, "cupy", SimpleNamespace(RawModule=Module, cuda=cuda))
    (tmp_path / "k.cu").write_text("int k\n")
    with pytest.raises(DeviceError, match=r"k\.cu: .*compute capability 90\):\n.*identifier is undefined"):
        DeviceKernels(tmp_path).get("k", "k")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            RuntimeError("CuPy failed to load libnvrtc.so.13: no such file\n\nand more"),
            "failed to load libnvrtc.so.13: no such file",
        ),
        (PermissionError(13, "Permission denied", "/.cupy"), "Permission denied: '/.cupy'"),
    ],
)
def test_a_compiler_that_is_not_there_is_told_in_one_line(tmp_path, monkeypatch, error, said):
    class Lacking(Module):
        def compile(self):
            raise error

    cuda = SimpleNamespace(compiler=SimpleNamespace(CompileException=Refused))
    monkeypatch.setitem(sys.modules, "cupy", SimpleNamespace(RawModule=Lacking, cuda=cuda))
    (tmp_path / "k.cu").write_text("int k;\n")
    with pytest.raises(DeviceError, match=f"k.cu: CuPy cannot compile it: .*{said}; `streamd doctor`") as caught:
        DeviceKernels(tmp_path).get("k", "k")
    assert "\n" not in str(caught.value)
