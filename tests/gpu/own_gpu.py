"""GPUs that are the host, each of which takes only what is its own: memory, streams, events, threads on it.

What CUDA would do with another GPU's, or on a thread that is on another one, is told here as a failed assertion.
"""

import threading
from contextlib import contextmanager

import numpy as np

from tests.gpu.host_gpu import HostEvent, HostGpu, HostStream

_thread = threading.local()  # `index`: the GPU that it is on


class OwnArray(np.ndarray):
    """Memory of one GPU; parts of it are, too."""

    def __array_finalize__(self, whole):
        self.gpu = getattr(whole, "gpu", None)


class OwnStream(HostStream):
    def __init__(self, gpu):
        self.gpu, self.ptr = gpu, 16 + gpu.index

    def wait_event(self, event):
        self.gpu.check(event)
        super().wait_event(event)

    def __enter__(self):
        self.gpu.check(self)
        return self


class OwnEvent(HostEvent):
    def __init__(self, gpu):
        super().__init__()
        self.gpu = gpu

    def record(self, stream):
        self.gpu.check(self, stream)
        super().record(stream)


class OwnGpu(HostGpu):
    """One of several. `launched` counts the kernels that it was given."""

    kind = "own"

    def __init__(self, kernels, index):
        super().__init__(self)
        self.index, self._kernels, self.launched = index, kernels, 0
        self.decoded = OwnEvent(self)

    def check(self, *things):
        """Hold a call to what is this GPU's."""
        on = getattr(_thread, "index", None)
        assert on == self.index, f"a thread that is on {on} calls cuda:{self.index}"
        for thing in things:
            assert thing.gpu is self, f"{thing} is of cuda:{thing.gpu.index if thing.gpu else '?'}, not {self.index}"

    @contextmanager
    def active(self):
        before = getattr(_thread, "index", None)
        _thread.index = self.index
        try:
            yield
        finally:
            _thread.index = before

    def bind(self):
        self.check()

    def get(self, file, name):
        launch = self._kernels.get(file, name)

        def held(grid, block, arguments, *, stream):
            self.check(stream, *(one for one in arguments if isinstance(one, np.ndarray)))
            self.launched += 1
            launch(grid, block, arguments, stream=stream)

        return held

    def stream(self):
        return OwnStream(self)

    def event(self):
        return OwnEvent(self)

    def zeros(self, shape, dtype):
        return self._own(np.zeros(shape, dtype))

    def upload(self, host, to, stream):
        self.check(to, stream)
        super().upload(host, to, stream)

    def download(self, array, to, stream):
        self.check(array, stream)
        super().download(array, to, stream)

    def address(self, array):
        assert array.gpu is self
        return super().address(array)

    def memory(self, address, size, owner):
        return self._own(super().memory(address, size, owner))

    def elapsed_s(self, begin, end):
        assert begin.gpu is end.gpu is self
        return super().elapsed_s(begin, end)

    def capture(self, work, stream):
        self.check(stream)
        work()

        def launch():
            self.check(stream)
            work()

        return launch

    def _own(self, array):
        array = array.view(OwnArray)
        array.gpu = self
        return array
