"""Gathers frames of several cameras into one run of a model: as many as wait, then company for a bounded time."""

from collections.abc import Callable
from typing import Protocol

from streamd.clock import Clock
from streamd.errors import Finished
from streamd.frames import Frame


class Inbox(Protocol):
    """The lanes of all cameras of one model, read round robin; flow.channel.Select is one."""

    def wait(self, timeout_s: float | None = None, at_least: int = 1) -> bool:
        """Wait until so many frames can be taken, or as many as can wait; false when the time passed first.

        Raises `Finished`.
        """

    def take(self, limit: int) -> list[Frame]:
        """Take up to `limit` frames without waiting, one of each camera in turn."""

    def capacity(self) -> int:
        """Return the most frames that can wait in lanes that have not ended."""

    def abandon(self) -> None:
        """Stop taking; safe twice."""


class Batcher:
    """The inbox of a model's first stage: `get` returns the frames of one run, oldest of each camera first.

    Which frame of a camera is in its lane is the lane's affair: a live one keeps only the newest.
    """

    def __init__(
        self, inbox: Inbox, batch: int, max_wait_s: float, clock: Clock, wait_for_room: Callable[[], None]
    ) -> None:
        """`batch` is the most frames of a run; `max_wait_s` how long the first of them waits for others.

        `wait_for_room` returns when a run can be prepared: until then frames are left in their lanes, where newer
        ones may still take their place.
        """
        self._wait_for_room = wait_for_room
        self._inbox = inbox
        self._batch = batch
        self._max_wait_ns = round(max_wait_s * 1e9)
        self._clock = clock

    def get(self) -> tuple[Frame, ...]:
        """Wait for a frame, then gather up to `batch` of them, and return them.

        No company is waited for that cannot come: one live camera never makes its frame wait.

        Raises:
            Finished: every lane has ended.
            Abandoned: there will be no room.
        """
        self._wait_for_room()
        frames: list[Frame] = []
        while not frames:
            self._inbox.wait()
            frames = self._inbox.take(self._batch)
        deadline_ns = self._clock.monotonic_ns() + self._max_wait_ns
        most = min(self._batch, self._inbox.capacity())
        more = True
        while more and len(frames) < most:
            more = self._wait_for(most - len(frames), deadline_ns)
            frames += self._inbox.take(most - len(frames))
        return tuple(frames)

    def abandon(self) -> None:
        """Stop taking; safe twice."""
        self._inbox.abandon()

    def _wait_for(self, missing: int, deadline_ns: int) -> bool:
        """Wait, in one go, for the frames that are missing; false when more waiting is no use."""
        left_ns = deadline_ns - self._clock.monotonic_ns()
        if left_ns <= 0:
            return False
        try:
            return self._inbox.wait(left_ns / 1e9, missing)
        except Finished:  # the next `get` says so, once the frames in hand have been run
            return False
