"""An outbox whose far end can be exchanged while it is in use."""

import threading
from typing import Generic, TypeVar

from streamd.flow.stage import Outbox

T = TypeVar("T")


class Switch(Generic[T]):
    """Passes on to one outbox, then to another. One thread puts, another switches; neither waits for the other."""

    def __init__(self, outbox: Outbox[T]) -> None:
        self._outbox = outbox
        self._next: Outbox[T] | None = None
        self._finished = False
        self._lock = threading.Lock()

    def put(self, item: T) -> None:
        """Hand an item on; raises `Abandoned` when nobody will take it."""
        with self._lock:
            self._turn()
            self._outbox.put(item)

    def finish(self) -> None:
        """Say that nothing more will come; safe twice."""
        with self._lock:
            self._finished = True
            self._turn()
            self._outbox.finish()

    def to(self, outbox: Outbox[T]) -> None:
        """Pass on to `outbox` from the next item on, and finish the one before."""
        self._next = outbox
        self.turn()

    def turn(self) -> None:
        """Do now what `to` asked for, unless an item is just being handed on: then ask again, or the next item will."""
        if self._lock.acquire(blocking=False):
            try:
                self._turn()
            finally:
                self._lock.release()

    def _turn(self) -> None:
        if self._next is not None:
            old, self._outbox, self._next = self._outbox, self._next, None
            old.finish()
            if self._finished:
                self._outbox.finish()
