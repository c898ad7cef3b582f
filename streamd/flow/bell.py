"""How one thread sleeps until another has news for it."""

from collections.abc import Callable
from queue import Empty, SimpleQueue
from time import monotonic


class Bell:
    """Wakes the one thread that waits for something; while it does not wait, ringing is a look at a flag.

    It is right under Python's lock only.

    There is no lock in it, as there is in a condition: whoever is woken by one of those holds its lock while he queues
    for Python's, and the next to ring queues behind him.
    """

    def __init__(self) -> None:
        self._rings: SimpleQueue[None] = SimpleQueue()
        self.awaited = False

    def wait_for(self, ready: Callable[[], object], timeout_s: float | None = None) -> bool:
        """Wait until `ready`, which is asked at every ring; false when the time passed first."""
        end_s = None if timeout_s is None else monotonic() + timeout_s
        while not ready():
            self.awaited = True
            if ready():  # it came to be so before anybody could see that it is waited for
                break
            try:
                self._rings.get(timeout=None if end_s is None else max(0.0, end_s - monotonic()))
            except Empty:
                self.awaited = False
                return bool(ready())
        self.awaited = False
        return True

    def ring(self) -> None:
        """Have whoever waits look again. A ring too many, where two threads ring at once, does no harm."""
        if self.awaited:
            self.awaited = False
            self._rings.put(None)
