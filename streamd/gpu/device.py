"""One GPU: its memory, streams, events and kernels, behind the few verbs that the rooms use.

    gpu = open_gpu("cuda:0")
    stream, rows = gpu.stream(), gpu.zeros((16, 3, 640, 640), np.float16)
    staging = gpu.pinned((1024,), np.uint8)          # host memory that copies run from while the thread goes on
    with gpu.active():                               # CUDA keeps the current GPU a thread
        gpu.upload(staging, table, stream)

Streams do not wait for one another, nor for the default stream: events order them (timeline.py). Nothing here waits
for a whole device.
"""

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from functools import cache
from types import ModuleType
from typing import Any, Protocol, cast

import numpy as np
import numpy.typing as npt

from streamd.errors import DeviceError
from streamd.frames import Surface
from streamd.gpu.active import LESS, Active
from streamd.gpu.arrays import DeviceArray, Event, Stream
from streamd.gpu.kernels import DeviceKernels, Kernels

Shape = tuple[int, ...]


class Gpu(Protocol):
    """What the rooms ask of a GPU; tests have one whose memory is the host's."""

    @property
    def index(self) -> int:
        """Its number, as in `cuda:0`."""

    @property
    def name(self) -> str:
        """What it is called, such as "NVIDIA L4"."""

    @property
    def compute_capability(self) -> str:
        """What its machine code is for, such as "8.9"."""

    @property
    def kernels(self) -> Kernels:
        """Its kernels."""

    @property
    def kind(self) -> str:
        """What ONNX Runtime calls it: `cuda`."""

    def active(self) -> AbstractContextManager[object]:
        """Make it the calling thread's current GPU while the block runs; DeviceError for what CUDA refuses there."""

    def bind(self) -> None:
        """Have the driver, too, take it for current, for libraries that ask it; call while it is active."""

    def stream(self) -> Stream:
        """Make a stream."""

    def event(self) -> Event:
        """Make an event that tells time and lets a thread sleep until it."""

    @property
    def decoded(self) -> Event:
        """What is `ready` of every surface that FFmpeg decoded: it copies them on the default stream, one for all."""

    def order(self, surfaces: Iterable[Surface], stream: Stream) -> None:
        """Have what follows on `stream` wait until `surfaces` may be read; the thread does not."""

    def zeros(self, shape: Shape, dtype: npt.DTypeLike) -> DeviceArray:
        """Allocate device memory."""

    def pinned(self, shape: Shape, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
        """Allocate page-locked host memory."""

    def upload(self, host: npt.NDArray[Any], to: DeviceArray, stream: Stream) -> None:
        """Copy all of `host`, pinned and contiguous, to the front of `to`."""

    def download(self, array: DeviceArray, to: npt.NDArray[Any], stream: Stream) -> None:
        """Fill all of `to`, pinned and contiguous, from the front of `array`."""

    def copy(self, array: DeviceArray, to: DeviceArray, stream: Stream) -> None:
        """Copy all of `array` to the front of `to`, both on the device."""

    def used_bytes(self) -> int:
        """Return how much of its memory is taken, by whomever."""

    def address(self, array: DeviceArray) -> int:
        """Return where `array` begins."""

    def memory(self, address: int, size: int, owner: object) -> DeviceArray:
        """Return device memory that is another's as (size,) uint8; who holds the array holds `owner`."""

    def elapsed_s(self, begin: Event, end: Event) -> float:
        """Return the time between two events that have passed."""

    def capture(self, work: Callable[[], None], stream: Stream) -> Callable[[], None]:
        """Record what `work` puts on `stream` as a CUDA graph, and return what puts all of it there at once.

        Raises:
            DeviceError: something in it cannot be recorded; nothing has run.
        """


class CudaGpu:
    """A GPU through CuPy."""

    kind = "cuda"

    def __init__(self, cupy: ModuleType, index: int) -> None:
        self._cupy = cupy
        self.index = index
        self.kernels: Kernels = DeviceKernels()
        about = cupy.cuda.runtime.getDeviceProperties(index)
        self.name = str(about["name"].decode())
        self.compute_capability = f"{about['major']}.{about['minor']}"
        self._active = Active(cupy, index)
        with self.active():
            self.decoded: Event = cupy.cuda.Event(disable_timing=True)

    def active(self) -> AbstractContextManager[object]:
        """Make it the calling thread's current GPU while the block runs; DeviceError for what CUDA refuses there."""
        return self._active

    def bind(self) -> None:
        """Have the driver, too, take it for current, for libraries that ask it; call while it is active."""
        with self.active():
            self._cupy.cuda.runtime.free(0)  # CUDA's runtime binds a thread at its first call

    def stream(self) -> Stream:
        """Make a stream that no other holds up."""
        with self.active():
            stream: Stream = self._cupy.cuda.Stream(non_blocking=True)
        return stream

    def event(self) -> Event:
        """Make an event that tells time and lets a thread sleep until it."""
        with self.active():
            event: Event = self._cupy.cuda.Event(block=True)
        return event

    def order(self, surfaces: Iterable[Surface], stream: Stream) -> None:
        """Have what follows on `stream` wait until `surfaces` may be read; the thread does not.

        That of decoded surfaces is recorded only now, once for all of them: an event a frame costs the decoding
        threads more than the few microseconds that some other camera's copy may be waited for here.
        """
        for ready in {id(surface.ready): surface.ready for surface in surfaces}.values():
            if ready is self.decoded:
                ready.record(self._cupy.cuda.Stream.null)
            if ready is not None:
                stream.wait_event(ready)

    def zeros(self, shape: Shape, dtype: npt.DTypeLike) -> DeviceArray:
        """Allocate device memory; DeviceError when there is none left."""
        try:
            with self.active():
                array: DeviceArray = self._cupy.zeros(shape, dtype)
                self._cupy.cuda.Stream.null.synchronize()
            return array
        except self._cupy.cuda.memory.OutOfMemoryError as error:
            size = int(np.prod(shape)) * np.dtype(dtype).itemsize
            raise DeviceError(f"cuda:{self.index}: no memory for {size / 1e6:.0f} MB", mend=LESS) from error

    def pinned(self, shape: Shape, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
        """Allocate page-locked host memory."""
        count = int(np.prod(shape))
        with self.active():
            memory = self._cupy.cuda.alloc_pinned_memory(max(1, count * np.dtype(dtype).itemsize))
        return np.frombuffer(memory, dtype, count).reshape(shape)

    def upload(self, host: npt.NDArray[Any], to: DeviceArray, stream: Stream) -> None:
        """Copy all of `host`, pinned and contiguous, to the front of `to`."""
        _check_room(to, host.nbytes)
        self._put(self.address(to), host.ctypes.data, host.nbytes, "memcpyHostToDevice", stream)

    def download(self, array: DeviceArray, to: npt.NDArray[Any], stream: Stream) -> None:
        """Fill all of `to`, pinned and contiguous, from the front of `array`."""
        _check_room(array, to.nbytes)
        self._put(to.ctypes.data, self.address(array), to.nbytes, "memcpyDeviceToHost", stream)

    def copy(self, array: DeviceArray, to: DeviceArray, stream: Stream) -> None:
        """Copy all of `array` to the front of `to`, both on the device."""
        _check_room(to, array.nbytes)
        self._put(self.address(to), self.address(array), array.nbytes, "memcpyDeviceToDevice", stream)

    def used_bytes(self) -> int:
        """Return how much of its memory is taken, by whomever."""
        with self.active():
            free, total = self._cupy.cuda.runtime.memGetInfo()
        return int(total - free)

    def address(self, array: DeviceArray) -> int:
        """Return where `array` begins."""
        return int(cast(Any, array).data.ptr)

    def memory(self, address: int, size: int, owner: object) -> DeviceArray:
        """Return device memory that is another's as (size,) uint8; who holds the array holds `owner`."""
        held = self._cupy.cuda.UnownedMemory(address, size, owner, self.index)
        array: DeviceArray = self._cupy.ndarray((size,), np.uint8, self._cupy.cuda.MemoryPointer(held, 0))
        return array

    def elapsed_s(self, begin: Event, end: Event) -> float:
        """Return the time between two events that have passed."""
        return float(self._cupy.cuda.get_elapsed_time(begin, end)) / 1e3

    def capture(self, work: Callable[[], None], stream: Stream) -> Callable[[], None]:
        """Record what `work` puts on `stream` as a CUDA graph, and return what puts all of it there at once."""
        recorded = cast(Any, stream)
        with self.active():
            try:
                recorded.begin_capture()
                try:
                    work()
                finally:
                    graph = recorded.end_capture()
            except (RuntimeError, self._cupy.cuda.runtime.CUDARuntimeError) as error:
                raise DeviceError(f"cuda:{self.index}: no CUDA graph of it: {error}") from error
        return lambda: graph.launch(recorded)

    def _put(self, to: int, source: int, size: int, kind: str, stream: Stream) -> None:
        """Copy without CuPy's arrays, which refuse to while a graph is recorded: it cannot know what is pinned."""
        runtime = self._cupy.cuda.runtime
        runtime.memcpyAsync(to, source, size, getattr(runtime, kind), stream.ptr)


def open_gpu(device: str) -> Gpu:
    """Open `cuda:N`, once a process: all that use a GPU share its kernels.

    Raises:
        DeviceError: CuPy is not installed, finds no driver, or there is no such GPU, or none that answers.
    """
    return _open(device_index(device))


@cache
def _open(index: int) -> Gpu:
    device = f"cuda:{index}"
    try:
        import cupy  # type: ignore[import-not-found]  # only GPU installations have it # noqa: PLC0415
    except ModuleNotFoundError as error:
        name = "CuPy" if error.name == "cupy" else error.name
        raise DeviceError(
            f"device {device}: {name} is not installed", mend="pip install 'streamd[gpu]', or set device: cpu"
        ) from error
    except ImportError as error:
        raise DeviceError(f"device {device}: CuPy cannot be loaded", mend="`streamd doctor` tells why") from error
    try:
        count = cupy.cuda.runtime.getDeviceCount()
    except cupy.cuda.runtime.CUDARuntimeError as error:
        raise DeviceError(
            f"device {device}: CUDA finds no GPU ({error})", mend="`streamd doctor` tells what is missing"
        ) from error
    if index >= count:
        there = "only cuda:0" if count == 1 else f"cuda:0 to cuda:{count - 1}" if count else "none"
        raise DeviceError(f"device {device}: there is no such GPU", mend=f"this machine has {there}")
    return CudaGpu(cupy, index)


def device_index(device: str) -> int:
    """Return N of `cuda:N`; `cuda` alone is `cuda:0`.

    Raises:
        DeviceError: it is spelled otherwise.
    """
    name, _, number = device.partition(":")
    if name != "cuda" or (number and not number.isdecimal()) or device.endswith(":"):
        raise DeviceError(f"device '{device}' is not known", mend="write cpu, or cuda:0 for the first GPU")
    return int(number or 0)


def _check_room(array: DeviceArray, size: int) -> None:
    if not array.flags.c_contiguous or array.nbytes < size:
        raise ValueError(f"{size} bytes do not fit an array of {array.nbytes}, {array.dtype} {array.shape}")
