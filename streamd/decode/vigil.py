"""The stop signal as a source is given it: whoever asks whether to go on also sees to it that frames come.

A read that waits for a network cannot be looked into from outside; but FFmpeg asks the stop signal at least every
100 ms of it, in the thread that waits (interrupt.py).
"""

from collections.abc import Callable

from streamd.clock import Clock, Stop


class Vigil:
    """A stop signal that tells, once, that no frame has come for `patience_s` since the last one."""

    def __init__(self, stop: Stop, clock: Clock, patience_s: float, stalled: Callable[[], None]) -> None:
        self._stop = stop
        self._clock = clock
        self._patience_ns = int(patience_s * 1e9)
        self._stalled = stalled
        self._seen_ns: int | None = None  # when the last frame came; None before the first
        self._told = False

    def seen(self) -> float:
        """Note a frame; return for how many seconds there was none where that has been told, else 0."""
        now_ns = self._clock.monotonic_ns()
        gap_s = (now_ns - self._seen_ns) / 1e9 if self._told and self._seen_ns is not None else 0.0
        self._seen_ns, self._told = now_ns, False
        return gap_s

    def is_set(self) -> bool:
        """Tell whether the signal was given, and whether frames have stopped coming."""
        if not self._told and self._seen_ns is not None:
            self._told = self._clock.monotonic_ns() - self._seen_ns > self._patience_ns
            if self._told:
                self._stalled()
        return self._stop.is_set()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait up to `timeout` seconds; true when the signal was given. Waiting on purpose is no stall."""
        return self._stop.wait(timeout)

    def set(self) -> None:
        """Give the signal."""
        self._stop.set()
