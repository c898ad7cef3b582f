"""A bounded queue that either end can finish, and a way to wait on several of them.

The producer ends with `finish`: the consumer takes what is left, then sees `Finished`. The consumer ends with
`abandon`: the producer's next `put` raises `Abandoned`. So a clean end, a crash and a lost consumer all unwind
the same way, in both directions.

When a channel is full, BLOCK makes the producer wait (nothing is lost) and DROP_OLDEST throws the oldest item
away and counts it (the newest wins, nobody waits).

One thread puts and one takes, and there is no lock: of 64 cameras that share one, those that hold it lose Python's lock
with it, and all others queue behind both. What makes that right is that a side first says that it waits, and then looks
once more; the other first puts or takes, and then looks whether anybody waits.
"""

import threading
from collections import deque
from collections.abc import Callable
from enum import Enum, auto
from typing import Generic, TypeVar

from streamd.errors import Abandoned, Finished
from streamd.flow.bell import Bell

T = TypeVar("T")


class Overflow(Enum):
    """What a full channel does with one item more."""

    BLOCK = auto()
    DROP_OLDEST = auto()


class _Arrivals:
    """What channels share that one consumer waits on together: the news that there is enough to take.

    Room is each channel's own news: of 64 producers, the one that may go on is woken, and no other. Likewise the
    consumer is woken when as many items are held as it wants, not for each.
    """

    def __init__(self) -> None:
        self._bell = Bell()
        self.wanted = 1  # set by the consumer, as it waits

    def wait_for(self, ready: Callable[[], object], timeout_s: float | None) -> bool:
        """Wait until `ready`, which is asked whenever `wanted` items are held, or a channel has ended."""
        return self._bell.wait_for(ready, timeout_s)

    def arrived(self, held: Callable[[], int]) -> None:
        """Tell that there is an item more; `held` counts them all."""
        if self._bell.awaited and (self.wanted == 1 or held() >= self.wanted):
            self._bell.ring()

    def tell(self) -> None:
        """Have whoever waits look again."""
        self._bell.ring()


class Channel(Generic[T]):
    """A queue of at most `capacity` items between one stage and the next; one thread puts, one takes."""

    def __init__(
        self,
        capacity: int,
        overflow: Overflow = Overflow.BLOCK,
        *,
        arrivals: _Arrivals | None = None,
        held: Callable[[], int] | None = None,
        on_drop: Callable[[T], None] | None = None,
        go_on_at: int | None = None,
    ) -> None:
        """Make a channel; `arrivals` is shared by channels that one consumer waits on together, which hold `held`.

        A producer that waits for room goes on once no more than `go_on_at` items are held, or when it is invited; left
        out, as soon as there is room.

        `on_drop` is called, in the producer's thread, for every item that DROP_OLDEST throws away.
        """
        if capacity < 1:
            raise ValueError(f"a channel holds at least 1 item, got {capacity}")
        self._items: deque[T] = deque()
        self.capacity = capacity
        self._overflow = overflow
        self._arrivals = arrivals or _Arrivals()
        self._held = held or self._items.__len__
        self._room = Bell()
        self._go_on_at = capacity - 1 if go_on_at is None else go_on_at
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
        if self._finished:
            raise RuntimeError("put after finish")
        while len(self._items) >= self.capacity and not self._abandoned:
            if self._overflow is Overflow.DROP_OLDEST:
                self._drop()
            else:
                self._room.wait_for(lambda: len(self._items) < self.capacity or self._abandoned)
        if self._abandoned:
            raise Abandoned
        self._items.append(item)
        if self._abandoned:
            self._items.clear()  # its consumer left while this was put, and has let go of all before it
            raise Abandoned
        self._arrivals.arrived(self._held)

    def get(self, timeout_s: float | None = None) -> T:
        """Take the item at the front, waiting for one.

        Raises:
            Finished: the producer has finished and nothing is left.
            TimeoutError: nothing came within `timeout_s` seconds.
        """
        while True:
            if not self._arrivals.wait_for(lambda: self._items or self.finished, timeout_s):
                raise TimeoutError
            try:
                return self._take()
            except IndexError:
                if self.ended:
                    raise Finished from None

    def poll(self) -> T | None:
        """Take the item at the front if there is one now."""
        try:
            return self._take()
        except IndexError:
            return None

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
        self._finished = True
        self._arrivals.tell()

    def abandon(self) -> None:
        """Say that nothing more will be taken, and let go of what waits; safe twice."""
        self._abandoned = True
        self._items.clear()
        self._arrivals.tell()
        self._room.ring()

    def invite(self) -> None:
        """Have a producer that waits go on, if there is room at all."""
        self._room.ring()

    def _take(self) -> T:
        item = self._items.popleft()
        if len(self._items) <= self._go_on_at:
            self._room.ring()
        return item

    def _drop(self) -> None:
        try:
            lost = self._items.popleft()
        except IndexError:  # the consumer has just taken it
            return
        self.dropped += 1
        if self._on_drop:
            self._on_drop(lost)


class Select(Generic[T]):
    """The consuming end of several channels, read round robin. Channels may be added while it is read.

    A producer that waits for room goes on once half of its channel is free, or when the consumer waits for more.
    """

    def __init__(self) -> None:
        self._arrivals = _Arrivals()
        self._lanes: list[Channel[T]] = []
        self._adding = threading.Lock()
        self._next = 0
        self._closed = False  # no more lanes will be added
        self._abandoned = False

    def __len__(self) -> int:
        """Items that wait, over all lanes."""
        return sum(map(len, self._lanes))

    def lane(
        self, capacity: int, overflow: Overflow = Overflow.BLOCK, *, on_drop: Callable[[T], None] | None = None
    ) -> Channel[T]:
        """Add and return a channel of which this is the consumer."""
        channel: Channel[T] = Channel(
            capacity,
            overflow,
            arrivals=self._arrivals,
            held=self.__len__,
            on_drop=on_drop,
            go_on_at=capacity // 2,  # not for each item that is taken: every waking costs a turn of Python's lock
        )
        with self._adding:
            self._lanes.append(channel)
            if self._abandoned:
                channel.abandon()
        self._arrivals.tell()
        return channel

    def capacity(self) -> int:
        """Return the most items that can wait in lanes that have not ended."""
        return sum(lane.capacity for lane in self._lanes if not lane.ended)

    def close(self) -> None:
        """Say that no lane will be added: once every lane has ended, so has the whole. Safe twice."""
        self._closed = True
        self._arrivals.tell()

    def wait(self, timeout_s: float | None = None, at_least: int = 1) -> bool:
        """Wait until `at_least` items can be taken, or as many as can wait; false when the time passed first.

        Raises:
            Finished: every lane has ended and none will be added.
        """

        def ready() -> bool:
            most = sum(len(lane) if lane.finished else lane.capacity for lane in self._lanes)
            self._arrivals.wanted = max(1, min(at_least, most))
            return len(self) >= self._arrivals.wanted or self._over()

        if not ready():
            for lane in self._lanes:
                lane.invite()
        enough = self._arrivals.wait_for(ready, timeout_s)
        if self._over() and not len(self):
            raise Finished
        return enough

    def take(self, limit: int) -> list[T]:
        """Take up to `limit` items without waiting: one of each lane in turn, beginning after the last one served."""
        if any(lane.ended for lane in self._lanes):
            with self._adding:
                self._lanes = [lane for lane in self._lanes if not lane.ended]
        taken: list[T] = []
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
        with self._adding:
            self._abandoned = self._closed = True
            for lane in self._lanes:
                lane.abandon()
        self._arrivals.tell()

    def _over(self) -> bool:
        return self._closed and all(lane.finished for lane in self._lanes)
