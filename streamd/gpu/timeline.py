"""How the three steps of a model overlap on a GPU: a stream for each, and events that order a slot on them.

    fill stream    [ slot 0 ][ slot 1 ][ slot 2 ][ slot 0 ] ...      preprocessing, and uploads to it
    run stream               [ slot 0 ][ slot 1 ][ slot 2 ] ...      the model
    read stream                        [ slot 0 ][ slot 1 ] ...      decoding, NMS, the copy back

A step of a slot waits on the GPU for the slot's step before it; no thread waits but the one that reads the result.
Who may touch a slot on the host is the ring's affair (streamd/slots.py): a slot that is free again has been read, so
nothing on the GPU still uses its memory.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from streamd.gpu.arrays import Event, Stream
from streamd.gpu.device import Gpu

STEPS = ("fill", "run", "read")
TIMED_EVERY = 16  # runs: timing every one would be a quarter of all calls of CUDA, and each holds Python's lock


@dataclass(frozen=True, slots=True)
class _Step:
    """One stream, and for each slot the events at both ends of its work there."""

    stream: Stream
    begun: tuple[Event, ...]
    ended: tuple[Event, ...]


class Timeline:
    """The streams and events of one model. Each step belongs to one thread."""

    def __init__(self, gpu: Gpu, slots: int) -> None:
        self._gpu = gpu
        self._fill, self._run, self._read = (
            _Step(gpu.stream(), *(tuple(gpu.event() for _ in range(slots)) for _ in range(2))) for _ in STEPS
        )
        self._asked = 0  # how often for the time
        self._due = True
        self._timed = [False] * slots

    @property
    def run_stream(self) -> Stream:
        """The stream that the model runs on, for a backend that must know it beforehand."""
        return self._run.stream

    @contextmanager
    def filling(self, slot: int) -> Iterator[Stream]:
        """Give the stream to fill the inputs of `slot` on."""
        self._timed[slot] = self._due
        with self._step(self._fill, slot) as stream:
            yield stream

    @contextmanager
    def running(self, slot: int) -> Iterator[Stream]:
        """Give the stream to run `slot` on, behind its filling."""
        with self._step(self._run, slot, after=self._fill) as stream:
            yield stream

    @contextmanager
    def reading(self, slot: int) -> Iterator[Stream]:
        """Give the stream to read the outputs of `slot` on, behind its run."""
        with self._step(self._read, slot, after=self._run) as stream:
            yield stream

    def wait(self, slot: int) -> None:
        """Wait until `slot` has been read; DeviceError when one of its steps failed on the GPU."""
        with self._gpu.active():
            self._read.ended[slot].synchronize()

    def seconds(self, slot: int) -> dict[str, float]:
        """Return how long each step of `slot` took on the GPU, once it has been read; nothing for most: see above."""
        self._asked += 1
        self._due = self._asked % TIMED_EVERY == 0
        if not self._timed[slot]:
            return {}
        steps = zip(STEPS, (self._fill, self._run, self._read), strict=True)
        return {name: self._gpu.elapsed_s(step.begun[slot], step.ended[slot]) for name, step in steps}

    def close(self) -> None:
        """Wait for the work under way, so that its memory may go; safe twice."""
        with self._gpu.active():
            for step in (self._fill, self._run, self._read):
                step.stream.synchronize()

    @contextmanager
    def _step(self, step: _Step, slot: int, after: _Step | None = None) -> Iterator[Stream]:
        with self._gpu.active():
            if after is not None:
                step.stream.wait_event(after.ended[slot])
            if self._timed[slot]:
                step.begun[slot].record(step.stream)
            try:
                yield step.stream
            finally:
                step.ended[slot].record(step.stream)
