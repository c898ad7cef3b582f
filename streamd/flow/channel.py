"""A bounded queue that either end can finish, and a way to wait on several of them.

The producer ends with `finish`: the consumer takes what is left, then sees `Finished`. The consumer ends with
`abandon`: the producer's next `put` raises `Abandoned`. So a clean end, a crash and a lost consumer all unwind
the same way, in both directions.

When a channel is full, BLOCK makes the producer wait (nothing is lost) and DROP_OLDEST throws the oldest item
away and counts it (the newest wins, nobody waits).
"""

import threading
from collections import deque
from collections.abc import Callable
from enum import Enum, auto
from typing import Generic, TypeVar

from streamd.errors import Abandoned, Finished

T = TypeVar("T")


class Overflow(Enum):
    """What a full channel does with one item more."""

    BLOCK = auto()
    DROP_OLDEST = auto()


class _Arrivals:
    """What channels share that one consumer waits on together: the lock, and the news that there is enough to take.

    Room is each channel's own news: of 64 producers, the one that may go on is woken, and no other. Likewise the
    consumer is woken when as many items are held as it wants, not for each: every waking costs a turn of Python's lock.
    """

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.changed = threading.Condition(self.lock)
        self.held = 0
        self.wanted = 1


class Channel(Generic[T]):
    """A queue of at most `capacity` items between one stage and the next. Any thread may use either end."""

    def __init__(
        self,
        capacity: int,
        overflow: Overflow = Overflow.BLOCK,
        *,
        arrivals: _Arrivals | None = None,
        on_drop: Callable[[T], None] | None = None,
    ) -> None:
        """Make a channel; `arrivals` is shared by channels that one consumer waits on together.

        `on_drop` is called, without the lock held, for every item that DROP_OLDEST throws away.
        """
        if capacity < 1:
            raise ValueError(f"a channel holds at least 1 item, got {capacity}")
        self._items: deque[T] = deque()
        self.capacity = capacity
        self._overflow = overflow
        arrivals = arrivals or _Arrivals()
        self._arrivals = arrivals
        self._lock = arrivals.lock
        self._arrived = arrivals.changed
        self._room = threading.Condition(self._lock)
        self._on_drop = on_drop
        self._finished = False
        self._abandoned = False
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._items)

    def put(self, item: T) -> None:
        """Add an item at the back.

        Raises:
            Abandoned: the consumer has gone.
        """
        lost: list[T] = []
        with self._lock:
            if self._finished:
                raise RuntimeError("put after finish")
            while len(self._items) >= self.capacity and not self._abandoned:
                if self._overflow is Overflow.DROP_OLDEST:
                    lost.append(self._items.popleft())
                    self._arrivals.held -= 1
                    self.dropped += 1
                else:
                    self._room.wait()
            if self._abandoned:
                raise Abandoned
            self._items.append(item)
            self._arrivals.held += 1
            if self._arrivals.held >= self._arrivals.wanted:
                self._arrived.notify_all()
        if self._on_drop:
            for old in lost:
                self._on_drop(old)

    def get(self, timeout_s: float | None = None) -> T:
        """Take the item at the front, waiting for one.

        Raises:
            Finished: the producer has finished and nothing is left.
            TimeoutError: nothing came within `timeout_s` seconds.
        """
        with self._lock:
            if not self._arrived.wait_for(lambda: self._items or self.ended, timeout_s):
                raise TimeoutError
            if not self._items:
                raise Finished
            return self._take()

    def poll(self) -> T | None:
        """Take the item at the front if there is one now."""
        with self._lock:
            return self._take() if self._items else None

    @property
    def finished(self) -> bool:
        """Whether nothing more will be put, or taken."""
        return self._finished or self._abandoned

    @property
    def ended(self) -> bool:
        """Whether nothing more will come out: finished and empty, or abandoned."""
        return self._abandoned or (self._finished and not self._items)

    def finish(self) -> None:
        """Say that nothing more will be put; safe twice."""
        with self._lock:
            self._finished = True
            self._arrived.notify_all()

    def abandon(self) -> None:
        """Say that nothing more will be taken, and let go of what waits; safe twice."""
        with self._lock:
            self._abandoned = True
            self._arrivals.held -= len(self._items)
            self._items.clear()
            self._arrived.notify_all()
            self._room.notify_all()

    def _take(self) -> T:
        item = self._items.popleft()
        self._arrivals.held -= 1
        self._room.notify()
        return item


class Select(Generic[T]):
    """The consuming end of several channels, read round robin. Channels may be added while it is read."""

    def __init__(self) -> None:
        self._arrivals = _Arrivals()
        self._changed = self._arrivals.changed
        self._lanes: list[Channel[T]] = []
        self._next = 0
        self._closed = False  # no more lanes will be added
        self._abandoned = False

    def __len__(self) -> int:
        """Items that wait, over all lanes."""
        return self._arrivals.held

    def lane(
        self, capacity: int, overflow: Overflow = Overflow.BLOCK, *, on_drop: Callable[[T], None] | None = None
    ) -> Channel[T]:
        """Add and return a channel of which this is the consumer."""
        channel: Channel[T] = Channel(capacity, overflow, arrivals=self._arrivals, on_drop=on_drop)
        with self._changed:
            if self._abandoned:
                channel.abandon()
            self._lanes.append(channel)
            self._changed.notify_all()
        return channel

    def capacity(self) -> int:
        """Return the most items that can wait in lanes that have not ended."""
        with self._changed:
            return sum(lane.capacity for lane in self._lanes if not lane.ended)

    def close(self) -> None:
        """Say that no lane will be added: once every lane has ended, so has the whole. Safe twice."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def wait(self, timeout_s: float | None = None, at_least: int = 1) -> bool:
        """Wait until `at_least` items can be taken; false when `timeout_s` seconds passed first.

        True, too, when fewer are left and no more will come.

        Raises:
            Finished: every lane has ended and none will be added.
        """
        with self._changed:
            self._arrivals.wanted = at_least
            try:
                enough = self._changed.wait_for(lambda: len(self) >= at_least or self._over(), timeout_s)
            finally:
                self._arrivals.wanted = 1
            if not len(self) and self._over():
                raise Finished
            return enough

    def take(self, limit: int) -> list[T]:
        """Take up to `limit` items without waiting: one of each lane in turn, beginning after the last one served."""
        taken: list[T] = []
        with self._changed:
            self._lanes = [lane for lane in self._lanes if not lane.ended]
            idle = 0
            while len(taken) < limit and idle < len(self._lanes):
                self._next %= len(self._lanes)
                item = self._lanes[self._next].poll()
                self._next += 1
                if item is None:
                    idle += 1
                else:
                    idle = 0
                    taken.append(item)
        return taken

    def abandon(self) -> None:
        """Abandon every lane, present and future; safe twice."""
        with self._changed:
            self._abandoned = self._closed = True
            for lane in self._lanes:
                lane.abandon()
            self._changed.notify_all()

    def _over(self) -> bool:
        return self._closed and all(lane.finished for lane in self._lanes)
