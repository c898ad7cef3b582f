"""Where kernels come from: found in the wheel or the checkout, compiled for this GPU, kept.

CuPy compiles with NVRTC at the first use of a file and keeps the binary on disk, by source and GPU; one process
loads it once. Local includes are put in place before that, so that the kept binary is of everything it was made of.
"""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Lock
from typing import Protocol

from streamd import bundled
from streamd.errors import DeviceError
from streamd.gpu.arrays import Argument, Stream

# A sum is fused where its source says fmaf and nowhere else: device, host build and numpy round alike.
OPTIONS = ("--std=c++17", "--fmad=false")

_INCLUDE = re.compile(r'^#include "(\w+\.cuh)"$', re.MULTILINE)


class Launch(Protocol):
    """One kernel function."""

    def __call__(
        self, grid: Sequence[int], block: Sequence[int], arguments: Sequence[Argument], *, stream: Stream
    ) -> None:
        """Put one launch on `stream`. Arguments are arrays, or numpy scalars of the very type that the kernel takes."""


class Kernels(Protocol):
    """Whoever can give kernel functions: a GPU, or the host build of the tests."""

    def get(self, file: str, name: str) -> Launch:
        """Return function `name` of kernels/`file`.cu.

        Raises:
            DeviceError: it does not compile; the compiler's log is part of the message.
        """


class DeviceKernels:
    """The kernels of the current GPU, for any thread."""

    def __init__(self, folder: Path | None = None) -> None:
        """Take the sources from `folder`; by default those that ship with streamd."""
        self._folder = folder or bundled.folder("kernels")
        self._lock = Lock()
        self._modules: dict[str, _Module] = {}
        self._functions: dict[tuple[str, str], Launch] = {}

    def get(self, file: str, name: str) -> Launch:
        """Return function `name` of kernels/`file`.cu, compiled at its first use; DeviceError holds the log."""
        if (file, name) not in self._functions:
            with self._lock:  # two threads that compile the same file would both spend the seconds
                if file not in self._modules:
                    self._modules[file] = _compile(self._folder / f"{file}.cu")
                self._functions[file, name] = _launcher(self._modules[file].get_function(name))
        return self._functions[file, name]


def assemble(path: Path) -> str:
    """Return the source of a kernel with its local includes in place, each once; errors keep their file and line."""
    return _expand(path, set())


def _expand(path: Path, seen: set[str]) -> str:
    source = path.read_text()
    parts, end = [f'#line 1 "{path.name}"\n'], 0
    for found in _INCLUDE.finditer(source):
        parts.append(source[end : found.start()])
        if found[1] not in seen:
            seen.add(found[1])
            parts.append(_expand(path.parent / found[1], seen))
        end = found.end()
        parts.append(f'\n#line {source.count(chr(10), 0, end) + 2} "{path.name}"')
    return "".join([*parts, source[end:]])


def _compile(path: Path) -> "_Module":
    import cupy  # type: ignore[import-not-found]  # only GPU installations have it # noqa: PLC0415

    module = cupy.RawModule(code=assemble(path), options=OPTIONS, backend="nvrtc")
    try:
        module.compile()
    except cupy.cuda.compiler.CompileException as error:
        raise DeviceError(
            f"{path}: it does not compile for this GPU (compute capability "
            f"{cupy.cuda.Device().compute_capability}):\n{error}",
            mend="reinstall streamd, or report this",
        ) from error
    except (RuntimeError, ImportError, OSError) as error:  # no NVRTC, or nowhere to keep the binary
        said = str(error).strip().partition("\n")[0] or type(error).__name__
        raise DeviceError(
            f"{path}: CuPy cannot compile it: {said}",
            mend="`streamd doctor` tells what is missing; CUPY_CACHE_DIR names where binaries are kept",
        ) from error
    compiled: _Module = module
    return compiled


class _Module(Protocol):
    """A `cupy.RawModule`."""

    def get_function(self, name: str) -> Callable[..., None]:
        """Return one of its kernels."""


def _launcher(function: Callable[..., None]) -> Launch:
    def launch(grid: Sequence[int], block: Sequence[int], arguments: Sequence[Argument], *, stream: Stream) -> None:
        with stream:
            function(tuple(grid), tuple(block), tuple(arguments))

    return launch
