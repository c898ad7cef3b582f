"""Frames that are missing from a stream of messages, told from those that were never meant to come.

With `every: 3` the numbers of a camera's detections go 0, 3, 6: that is its stride, not a loss. The stride is the
smallest step of the session so far, so its first loss may pass unseen while nothing shorter has been seen yet. Each
session has its own, for a reload may change `every`.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Gap:
    """Messages between two of one session that did not come: `after` and `before` are the `seq` on either side."""

    camera: str
    session: int
    after: int
    before: int
    stride: int

    @property
    def missing(self) -> int:
        """Frames skipped beyond the camera's stride."""
        return self.before - self.after - self.stride


class Sequence:
    """Follows the numbers of one kind of message of one camera."""

    def __init__(self, camera: str) -> None:
        self._camera = camera
        self._key: tuple[int, int] | None = None
        self._stride: int | None = None

    def follow(self, session: int, seq: int) -> Gap | None:
        """Take the next number; return the gap before it, if there is one. A new session is no gap."""
        last, self._key = self._key, (session, seq)
        if last is None or last[0] != session:
            self._stride = None
            return None
        if seq <= last[1]:
            return None
        step = seq - last[1]
        if self._stride is None or step < self._stride:
            self._stride = step
        return Gap(self._camera, session, last[1], seq, self._stride) if step > self._stride else None
