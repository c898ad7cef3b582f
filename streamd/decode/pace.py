"""Shows recorded or drawn pictures at the speed of their timestamps."""

from streamd.clock import Clock, Stop
from streamd.decode.timeline import Timeline

_LATE_NS = 1_000_000_000  # later than this, the pace starts anew instead of hurrying to catch up


class Pace:
    """Waits until a timestamp is due, counted from the first one."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._timeline = Timeline()  # a timestamp that jumps an hour is not waited for
        self._zero_ns: int | None = None  # the time at which timestamp 0 is due

    def wait(self, pts_ns: int | None, duration_ns: int, stop: Stop) -> bool:
        """Wait until a frame is due that lasts `duration_ns`; true when `stop` was given first."""
        at_ns = self._timeline.place(pts_ns, duration_ns)
        now_ns = self._clock.monotonic_ns()
        if self._zero_ns is None or now_ns - (self._zero_ns + at_ns) > _LATE_NS:
            self._zero_ns = now_ns - at_ns
        early_ns = self._zero_ns + at_ns - now_ns
        return stop.wait(early_ns / 1e9) if early_ns > 0 else stop.is_set()
