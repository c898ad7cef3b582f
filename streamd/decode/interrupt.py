"""Lets the stop signal interrupt FFmpeg while it waits for a network.

FFmpeg asks a callback, at least every 100 ms of waiting, whether to go on. PyAV's callback compares the clock with the
open or read timeout and can be told nothing else, neither from another thread nor by an option (PyAV 18). Reading
with short timeouts instead would tear an RTSP packet that arrives in two pieces, and an open cannot be resumed at all.
So the name `time` that PyAV's container module reads the clock by is bound, once, to the stand-in below: the machine's
clock, except that in a thread whose stop signal is given every timeout has run out.

It is the one place where streamd reaches into a library. Where a PyAV reads its clock by another name nothing
breaks: a stop then waits for the timeout.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from av.container import core

from streamd.clock import Stop

_AEON_S = 1e9  # further ahead than any timeout


class _Time(threading.local):
    """What PyAV reads as `time`; each thread has a stop signal of its own, or none."""

    stop: Stop | None = None
    readings = 0

    def monotonic(self) -> float:
        """Return CLOCK_MONOTONIC in seconds; once stopped, every reading is an aeon after the one before."""
        if self.stop is None or not self.stop.is_set():
            return time.monotonic()
        self.readings += 1  # PyAV reads the clock also where it starts a timeout, and that one must run out too
        return time.monotonic() + self.readings * _AEON_S


_time = _Time()


@contextmanager
def interrupted_by(stop: Stop) -> Iterator[None]:
    """Let `stop` end FFmpeg's network waits of this thread within about 100 ms."""
    names = vars(core)
    if names.get("time") is not _time:
        names["time"] = _time
    before, _time.stop = _time.stop, stop
    try:
        yield
    finally:
        _time.stop = before
