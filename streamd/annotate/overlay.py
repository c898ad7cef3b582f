"""Which detections belong on which frame: the meeting of the model's results with the film that shows them.

The model posts results as they come; the film asks, frame by frame, in order. An inferred frame waits for its own
result, and since results come in frame order, a later one proves that its own will never come (it was dropped).
Every other frame holds the newest boxes not later than itself. Boxes never cross from one session to the next.
"""

import threading
from collections import deque

from streamd.frames import Detections, Frame

Key = tuple[int, int]

CAPACITY = 256  # results kept for a film that lags; far more than any lane between the two holds


class Overlay:
    """The results of one camera. Any thread may post, one thread takes."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._posted: deque[tuple[Key, Detections]] = deque(maxlen=capacity)  # keys ascend
        self._changed = threading.Condition()
        self._asked = False  # whether somebody waits for a result; most of the time nobody watches the film
        self._posters = 1

    def share(self) -> None:
        """Say that one more will post, after the one before: each of them says `finish`."""
        with self._changed:
            self._posters += 1

    def post(self, key: Key, detections: Detections) -> None:
        """Add the result of the frame with `key`; one not later than the newest result is ignored."""
        with self._changed:
            if not self._posted or key > self._posted[-1][0]:
                self._posted.append((key, detections))
                if self._asked:
                    self._changed.notify_all()

    def take(self, frame: Frame) -> Detections:
        """Return what to draw on `frame`, waiting for its own result when it is one that is inferred.

        The wait ends when that result or a later one is posted, or with `finish`.
        """
        with self._changed:
            if frame.infer:
                self._asked = True
                self._changed.wait_for(lambda: self._posters < 1 or self._newest() >= frame.key)
                self._asked = False
            return self._held(frame.key)

    def finish(self) -> None:
        """Say that no more results will come; safe twice, but where it is shared."""
        with self._changed:
            self._posters -= 1
            self._changed.notify_all()

    def _newest(self) -> Key:
        return self._posted[-1][0] if self._posted else (-1, -1)

    def _held(self, key: Key) -> Detections:
        # Frames are taken in order, so whatever stands before the result that is held will never be asked for.
        while len(self._posted) > 1 and self._posted[1][0] <= key:
            self._posted.popleft()
        if not self._posted:
            return Detections.none()
        (session, seq), detections = self._posted[0]
        return detections if session == key[0] and seq <= key[1] else Detections.none()
