"""Notices that a stream has changed its frame rate for good. Pure arithmetic."""

_STEPS = 20  # that must agree: at 25 frames a second the change is known within a second
_SPREAD = 1.2  # the longest of them over the shortest; RTP's clock is far better, frames that were lost are not
_CHANGE = 1.25  # a rate that differs by less is the same one, measured again


class Tempo:
    """The time from frame to frame, as the timestamps tell it.

    A rate holds once so many steps in a row agree. What wavers, such as a camera that saves frames while nothing
    moves, has no rate, and so cannot change it.
    """

    def __init__(self) -> None:
        self._at_ns: int | None = None
        self._count = 0
        self._shortest_ns = self._longest_ns = 0
        self._usual_ns: float | None = None  # None until a rate has held

    def change(self, pts_ns: int) -> tuple[float, float] | None:
        """Take the timestamp of the next frame; return the old and the new rate, frames a second, when it changed."""
        before_ns, self._at_ns = self._at_ns, pts_ns
        if before_ns is None or pts_ns <= before_ns:
            return None
        step_ns = pts_ns - before_ns
        shortest_ns, longest_ns = min(self._shortest_ns, step_ns), max(self._longest_ns, step_ns)
        if self._count and longest_ns <= _SPREAD * shortest_ns:
            self._count, self._shortest_ns, self._longest_ns = self._count + 1, shortest_ns, longest_ns
        else:
            self._count, self._shortest_ns, self._longest_ns = 1, step_ns, step_ns
        return self._settle() if self._count == _STEPS else None

    def _settle(self) -> tuple[float, float] | None:
        usual_ns, self._usual_ns = self._usual_ns, (self._shortest_ns + self._longest_ns) / 2
        if usual_ns is None or max(usual_ns, self._usual_ns) < _CHANGE * min(usual_ns, self._usual_ns):
            return None
        return 1e9 / usual_ns, 1e9 / self._usual_ns
