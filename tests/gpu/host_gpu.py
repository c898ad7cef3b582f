"""A GPU whose memory is the host's and whose kernels g++ compiled: what streamd does on a GPU, run without one.

All that is put on a stream has happened when the call returns, so a wait that is missing does not show here; it does
in late_gpu.py, and on a GPU. Memory is new at every call, as is what `upload` and `download` leave: copies, never
views.
"""

import ctypes
from contextlib import nullcontext
from time import perf_counter

import numpy as np


class HostStream:
    """A stream that has always caught up."""

    ptr = 0

    def wait_event(self, event):
        assert isinstance(event, HostEvent)

    def synchronize(self):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        pass


class HostEvent:
    """An event that has always passed; `recorded` counts."""

    def __init__(self):
        self.recorded = 0

    def record(self, stream):
        assert isinstance(stream, HostStream)
        self.recorded += 1
        self.at_s = perf_counter()

    def synchronize(self):
        pass


class HostGpu:
    """`streamd.gpu.device.Gpu`, of `tests.kernels.host_kernels.HostKernels`."""

    index = 0
    kind = "cpu"

    def __init__(self, kernels):
        self.kernels = kernels
        self.decoded = HostEvent()

    def active(self):
        return nullcontext()

    def bind(self):
        pass

    def stream(self):
        return HostStream()

    def event(self):
        return HostEvent()

    def order(self, surfaces, stream):
        for ready in {id(surface.ready): surface.ready for surface in surfaces}.values():
            if ready is not None:
                stream.wait_event(ready)

    def zeros(self, shape, dtype):
        return np.zeros(shape, dtype)

    def pinned(self, shape, dtype):
        """Memory that another used before, as CuPy's pool gives it."""
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        return np.full(size, 0xA5, np.uint8).view(dtype).reshape(shape)

    def upload(self, host, to, stream):
        assert isinstance(stream, HostStream)
        _bytes(to)[: host.nbytes] = _bytes(host)

    def download(self, array, to, stream):
        assert isinstance(stream, HostStream)
        _bytes(to)[:] = _bytes(array)[: to.nbytes]

    def copy(self, array, to, stream):
        self.upload(array, to, stream)

    def used_bytes(self):
        return 0

    def address(self, array):
        return array.ctypes.data

    def memory(self, address, size, owner):
        held = (ctypes.c_ubyte * size).from_address(address)
        held.owner = owner
        return np.frombuffer(held, np.uint8)

    def elapsed_s(self, begin, end):
        assert isinstance(begin, HostEvent) and isinstance(end, HostEvent)
        return end.at_s - begin.at_s

    def capture(self, work, stream):
        assert isinstance(stream, HostStream)
        return work


def _bytes(array):
    assert array.flags.c_contiguous
    return array.reshape(-1).view(np.uint8)
