"""Makes one rising line of timestamps out of whatever a stream says. Pure arithmetic."""

_GAP_NS = 10_000_000_000  # a step further ahead than this is a clock that was set, not a pause
# A counter that ran over: RTP timestamps have 32 bits (RFC 3550 5.1), those of MPEG-TS 33 (ISO 13818-1 2.4.3.7), and
# video counts 90,000 a second. FFmpeg unwraps both; what reaches us was wrapped by a camera or a gateway before it.
_WRAPS_NS = tuple(2**bits * 1_000_000_000 // 90_000 for bits in (32, 33))


class Timeline:
    """Maps a stream's timestamps to nanoseconds that begin at 0 and strictly rise."""

    def __init__(self) -> None:
        self._offset_ns: int | None = None  # from the stream's timestamps to the line; None before the first of them
        self._last_ns: int | None = None  # None before the first frame
        self.jump_ns: int | None = None  # how far the stream stepped at the last timestamp; None where it did not

    def place(self, pts_ns: int | None, duration_ns: int) -> int:
        """Return where a frame that lasts `duration_ns` stands.

        A frame without a timestamp follows the one before by `duration_ns`. So does the first one after a jump, that
        is a step back, none, or one of more than 10 s and ten frames; the line then goes on from there. Where the
        stream's counter ran over, the pause before the frame is known and kept.
        """
        self.jump_ns = None
        next_ns = 0 if self._last_ns is None else self._last_ns + max(duration_ns, 1)
        if pts_ns is not None and self._offset_ns is not None and self._last_ns is not None:
            step_ns = pts_ns + self._offset_ns - self._last_ns
            if 0 < step_ns <= max(_GAP_NS, 10 * duration_ns):
                self._last_ns += step_ns
                return self._last_ns
            self.jump_ns = step_ns
            run_over = [step_ns + wrap_ns for wrap_ns in _WRAPS_NS if 0 < step_ns + wrap_ns <= _GAP_NS]
            next_ns = self._last_ns + run_over[0] if run_over else next_ns
        if pts_ns is not None:
            self._offset_ns = next_ns - pts_ns
        self._last_ns = next_ns
        return next_ns
