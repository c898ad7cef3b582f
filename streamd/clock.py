"""Time and the stop signal, passed in and never global, so that tests own them."""

import threading
import time
import weakref
from typing import Protocol


class Clock(Protocol):
    """The two clocks the daemon reads."""

    def monotonic_ns(self) -> int:
        """Nanoseconds that never step; for durations and deadlines."""

    def unix_ns(self) -> int:
        """Nanoseconds since the UNIX epoch; for stamps that leave the process."""


class Stop(Protocol):
    """The stop signal: every wait of a source is 'this, or stop'. `threading.Event` is one."""

    def is_set(self) -> bool:
        """Tell whether the signal was given."""

    def wait(self, timeout: float | None = None) -> bool:
        """Wait up to `timeout` seconds; true when the signal was given."""

    def set(self) -> None:
        """Give the signal."""


class SystemClock:
    """The machine's own clocks."""

    def monotonic_ns(self) -> int:
        """Return CLOCK_MONOTONIC in nanoseconds."""
        return time.monotonic_ns()

    def unix_ns(self) -> int:
        """Return CLOCK_REALTIME in nanoseconds."""
        return time.time_ns()


class StopGroup:
    """A stop signal for many: given to the group, it is given to every member; a member can be stopped alone."""

    def __init__(self) -> None:
        self._all = threading.Event()
        self._lock = threading.Lock()
        self._members: weakref.WeakSet[threading.Event] = weakref.WeakSet()

    def member(self) -> Stop:
        """Return a stop signal of the group's, given already if the group's was."""
        event = threading.Event()
        with self._lock:
            self._members.add(event)
        if self._all.is_set():
            event.set()
        return event

    def is_set(self) -> bool:
        """Tell whether the signal was given to all."""
        return self._all.is_set()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait up to `timeout` seconds; true when the signal was given to all."""
        return self._all.wait(timeout)

    def set(self) -> None:
        """Give the signal to every member, present and future."""
        self._all.set()
        with self._lock:
            members = list(self._members)
        for event in members:
            event.set()
