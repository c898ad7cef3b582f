"""Messages that are missing from a stream of them, told from those that were never meant to come.

With `every: 3` the numbers of a camera's detections go 0, 3, 6: that is its stride, not a loss. The stride is the
smallest step of the session so far, so its first loss may pass unseen while nothing shorter has been seen yet. Each
session has its own, for a reload may change `every`.

Not every frame becomes video, so that `seq` tells no loss there; the numbers of the access units do, whose stride is 1.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Gap:
    """Messages between two of one session that did not come: `after` and `before` are the numbers on either side.

    They are the `seq` of detections, the `unit` of video.
    """

    camera: str
    session: int
    after: int
    before: int
    stride: int

    @property
    def missing(self) -> int:
        """Numbers skipped beyond the stride."""
        return self.before - self.after - self.stride


class Sequence:
    """Follows the numbers of one kind of message of one camera."""

    def __init__(self, camera: str, stride: int | None = None) -> None:
        """Learn the stride, unless it is known."""
        self._camera = camera
        self._known = stride
        self._key: tuple[int, int] | None = None
        self._stride: int | None = None

    def follow(self, session: int, seq: int) -> Gap | None:
        """Take the next number; return the gap before it, if there is one. A new session is no gap."""
        last, self._key = self._key, (session, seq)
        if last is None or last[0] != session:
            self._stride = self._known
            return None
        if seq <= last[1]:
            return None
        step = seq - last[1]
        if self._stride is None or step < self._stride:
            self._stride = step
        return Gap(self._camera, session, last[1], seq, self._stride) if step > self._stride else None
