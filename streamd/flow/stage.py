"""One stage of a pipeline: a piece of work, the inbox it reads, the outbox it fills, and the thread it runs in.

Whatever happens to the work (its input ends, it raises, its consumer has gone), the stage flushes if it can, closes
the work, finishes its outbox and abandons its inbox. Neighbours see only that, and unwind the same way.
"""

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Generic, Protocol, TypeVar

from streamd.errors import Abandoned, Finished
from streamd.flow.channel import Channel

In = TypeVar("In")
Middle = TypeVar("Middle")
Out = TypeVar("Out")
In_contra = TypeVar("In_contra", contravariant=True)
Out_co = TypeVar("Out_co", covariant=True)


class Inbox(Protocol[Out_co]):
    """Where a stage's input comes from: a channel, or anything that gathers from several."""

    def get(self) -> Out_co:
        """Return the next item; raises `Finished` when there is none."""

    def abandon(self) -> None:
        """Stop taking; safe twice."""


class Outbox(Protocol[In_contra]):
    """Where a stage's output goes: a channel, or anything that forwards to several."""

    def put(self, item: In_contra) -> None:
        """Hand an item on; raises `Abandoned` when nobody will take it."""

    def finish(self) -> None:
        """Say that nothing more will come; safe twice."""


class Work(ABC, Generic[In, Out]):
    """What a stage does. All of it runs in the stage's own thread; `close` runs also when `open` raised.

    Only `__call__` must be written: a work that takes, holds and owns nothing leaves the rest as it is.
    """

    @property
    def name(self) -> str:
        """What its stage is called."""
        return type(self).__name__.lower()

    def open(self) -> None:
        """Take what the work needs."""

    @abstractmethod
    def __call__(self, item: In) -> Iterable[Out]:
        """Turn one item into any number of items."""

    def flush(self) -> Iterable[Out]:
        """Yield what is still held after the last item."""
        return ()

    def close(self) -> None:
        """Give back what the work holds; safe twice."""


class Relay(Work[Out, Out]):
    """The work of a stage that only moves things, such as one between a source and its outbox."""

    def __call__(self, item: Out) -> Iterable[Out]:
        """Yield the item."""
        yield item


class Joined(Work[In, Out]):
    """Two works that one thread does, one after the other, as neither makes it wait: one waits less for Python."""

    def __init__(self, first: Work[In, Middle], second: Work[Middle, Out]) -> None:
        self._first = first
        self._second = second

    @property
    def name(self) -> str:
        """Both names."""
        return f"{self._first.name}+{self._second.name}"

    def open(self) -> None:
        """Open both."""
        self._first.open()
        self._second.open()

    def __call__(self, item: In) -> Iterable[Out]:
        """Do the first work, and the second on each of its results."""
        for between in self._first(item):
            yield from self._second(between)

    def flush(self) -> Iterable[Out]:
        """Yield what both still hold."""
        for between in self._first.flush():
            yield from self._second(between)
        yield from self._second.flush()

    def close(self) -> None:
        """Close both, whatever comes of the first."""
        try:
            self._first.close()
        finally:
            self._second.close()


class Feed(Generic[Out]):
    """The inbox of a first stage: an iterator that ends by itself, or when its stop signal is given."""

    def __init__(self, items: Iterable[Out]) -> None:
        self._items = iter(items)
        self._abandoned = False

    def get(self) -> Out:
        """Return the next item; raises `Finished` at the end."""
        if self._abandoned:
            raise Finished
        try:
            return next(self._items)
        except StopIteration:
            raise Finished from None

    def abandon(self) -> None:
        """Take no more items and let go of the iterator, which closes a generator that is between two items."""
        self._abandoned = True
        self._items = iter(())


class Stage(Generic[In, Out]):
    """Runs one work in a named thread, from its inbox to its outbox."""

    def __init__(
        self,
        name: str,
        work: Work[In, Out],
        inbox: Inbox[In],
        outbox: Outbox[Out] | None = None,
        begin: Callable[[], None] | None = None,
    ) -> None:
        """`outbox` is None for the last stage of a line, whose work yields nothing; `begin` is called first of all."""
        self.name = name
        self._begin = begin
        self.error: BaseException | None = None
        self._work = work
        self._inbox = inbox
        self._outbox = outbox
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._on_end: Callable[[Stage[In, Out]], None] | None = None

    def start(self, on_end: Callable[["Stage[In, Out]"], None]) -> None:
        """Start the thread; `on_end` is called in it, last of all."""
        self._on_end = on_end
        self._thread.start()

    def join(self, timeout_s: float | None = None) -> bool:
        """Wait for the thread to end; true when it has. A stage that never started has ended."""
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def abandon(self) -> None:
        """Cut the stage off from its input, so that it ends without draining."""
        self._inbox.abandon()

    def _run(self) -> None:
        try:
            self._drive()
        except Abandoned:
            pass  # the consumer has gone and says why itself; nothing is left to do here but the endings below
        except BaseException as error:  # noqa: BLE001 - whatever it was, the pipeline gets it and raises the first
            self.error = error
        finally:
            self._end()

    def _drive(self) -> None:
        if self._begin is not None:
            self._begin()
        self._work.open()
        while True:
            try:
                item = self._inbox.get()
            except Finished:
                break
            self._send(self._work(item))
            del item  # else it would be kept until there is another
        self._send(self._work.flush())

    def _send(self, items: Iterable[Out]) -> None:
        for item in items:
            if self._outbox is None:
                raise RuntimeError(f"stage {self.name} is the last of its line, yet its work yielded {item!r}")
            self._outbox.put(item)

    def _end(self) -> None:
        try:
            self._work.close()
        except BaseException as error:  # noqa: BLE001 - an ending must not stop the endings below
            self.error = self.error or error
        finally:
            self._inbox.abandon()
            if self._outbox is not None:
                self._outbox.finish()
            if self._on_end is not None:
                self._on_end(self)


def chain(
    name: str,
    inbox: Inbox[Any],
    works: Sequence[Work[Any, Any]],
    capacity: int,
    begin: Callable[[], None] | None = None,
) -> list[Stage[Any, Any]]:
    """Return stages that pass items from `inbox` through `works`, over channels of `capacity` items.

    Each stage is named `name/` and its work's name. Nothing leaves the last.
    """
    stages: list[Stage[Any, Any]] = []
    for work in works:
        outbox: Channel[Any] | None = None if work is works[-1] else Channel(capacity)
        stages.append(Stage(f"{name}/{work.name}", work, inbox, outbox, begin))
        if outbox is not None:
            inbox = outbox
    return stages
