"""Time and the stop signal, passed in and never global, so that tests own them."""

import threading
import time
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


def new_stop() -> Stop:
    """Return a stop signal that has not been given."""
    return threading.Event()
