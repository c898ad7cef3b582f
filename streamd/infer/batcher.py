"""Gathers frames of several cameras into one run of a model: as many as wait, then company for a bounded time."""

from typing import Protocol

from streamd.clock import Clock
from streamd.errors import Finished
from streamd.frames import Frame


class Inbox(Protocol):
    """The lanes of all cameras of one model, read round robin; flow.channel.Select is one."""

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until a frame can be taken; false when the time passed first; raises `Finished`."""

    def take(self, limit: int) -> list[Frame]:
        """Take up to `limit` frames without waiting, one of each camera in turn."""

    def abandon(self) -> None:
        """Stop taking; safe twice."""


class Batcher:
    """The inbox of a model's first stage: `get` returns the frames of one run, oldest of each camera first.

    Which frame of a camera is in its lane is the lane's affair: a live one keeps only the newest.
    """

    def __init__(self, inbox: Inbox, batch: int, max_wait_s: float, clock: Clock) -> None:
        """`batch` is the most frames of a run; `max_wait_s` how long the first of them waits for others."""
        self._inbox = inbox
        self._batch = batch
        self._max_wait_ns = round(max_wait_s * 1e9)
        self._clock = clock

    def get(self) -> tuple[Frame, ...]:
        """Wait for a frame, then gather up to `batch` of them, and return them.

        Raises:
            Finished: every lane has ended.
        """
        frames: list[Frame] = []
        while not frames:
            self._inbox.wait()
            frames = self._inbox.take(self._batch)
        deadline_ns = self._clock.monotonic_ns() + self._max_wait_ns
        while len(frames) < self._batch and self._more_before(deadline_ns):
            frames += self._inbox.take(self._batch - len(frames))
        return tuple(frames)

    def abandon(self) -> None:
        """Stop taking; safe twice."""
        self._inbox.abandon()

    def _more_before(self, deadline_ns: int) -> bool:
        left_ns = deadline_ns - self._clock.monotonic_ns()
        if left_ns <= 0:
            return False
        try:
            return self._inbox.wait(left_ns / 1e9)
        except Finished:  # the next `get` says so, once the frames in hand have been run
            return False
