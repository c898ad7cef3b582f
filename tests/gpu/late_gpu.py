"""A GPU that does nothing before somebody waits for it, and then only what that one waits for.

Work is put on streams and left there. Whoever waits for an event or a stream has done what stands before it, and before
the events that this waits for in turn; all else stays undone for as long as it can. So a wait that is missing, a buffer
that is written anew while a copy from it is still to come, and memory that is let go of too early show as wrong
answers, where a `HostGpu` would hide them.
"""

import threading
from collections import deque

import numpy as np

from tests.gpu.host_gpu import HostEvent, HostGpu, HostStream

_turn = threading.RLock()  # of all streams: what one does may have another do its part
_thread = threading.local()  # `recorded`: what a graph that is being captured here is made of


class LateStream(HostStream):
    """A stream whose work is done as late as may be."""

    def __init__(self, ptr):
        self.ptr = ptr
        self._left = deque()
        self._given = self._done = 0

    def add(self, work):
        recorded = getattr(_thread, "recorded", None)
        if recorded is not None:
            recorded.append(work)
            return
        with _turn:
            self._left.append(work)
            self._given += 1

    def wait_event(self, event):
        at = event.at
        self.add(lambda: at and at[0].reach(at[1]))

    def synchronize(self):
        assert getattr(_thread, "recorded", None) is None, "a capture cannot wait"
        self.reach(self._given)

    def here(self):
        return self, self._given

    def reach(self, count):
        with _turn:
            while self._done < count:
                self._done += 1
                self._left.popleft()()

    def has_reached(self, count):
        return self._done >= count


class LateEvent(HostEvent):
    """An event that passes when somebody waits for it."""

    at = None  # a stream, and how much it had been given

    def record(self, stream):
        self.at = stream.here()

    def synchronize(self):
        if self.at:
            self.at[0].reach(self.at[1])


class LateKernels:
    """Kernels whose launches are work of a stream."""

    def __init__(self, kernels):
        self._kernels = kernels

    def get(self, file, name):
        launch = self._kernels.get(file, name)

        def put(grid, block, arguments, *, stream):
            stream.add(lambda: launch(grid, block, arguments, stream=stream))

        return put


class LateGpu(HostGpu):
    """`streams` are all that were made, by their handles."""

    def __init__(self, kernels):
        super().__init__(LateKernels(kernels))
        self.streams = {}
        self.default = self.stream()
        self.decoded = LateEvent()

    def stream(self):
        made = self.streams[len(self.streams) + 1] = LateStream(len(self.streams) + 1)
        return made

    def event(self):
        return LateEvent()

    def order(self, surfaces, stream):
        if any(surface.ready is self.decoded for surface in surfaces):
            self.decoded.record(self.default)
        super().order(surfaces, stream)

    def upload(self, host, to, stream):
        stream.add(lambda: super(LateGpu, self).upload(host, to, stream))

    def download(self, array, to, stream):
        stream.add(lambda: super(LateGpu, self).download(array, to, stream))

    def elapsed_s(self, begin, end):
        assert all(stream.has_reached(count) for stream, count in (begin.at, end.at)), "the time of what is not done"
        return 1e-3

    def capture(self, work, stream):
        _thread.recorded = recorded = []
        try:
            work()
        finally:
            _thread.recorded = None
        return lambda: stream.add(lambda: [step() for step in recorded])

    def decode(self, planes):
        """Have the samples of a `HostPlanes` written by work on the default stream, as FFmpeg's copies are."""
        later = [(plane, plane.copy()) for plane in (planes.luma, planes.chroma)]
        for plane, _ in later:
            plane[:] = 0
        self.default.add(lambda: [np.copyto(plane, samples) for plane, samples in later])
        return planes.surface
