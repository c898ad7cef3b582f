"""The double-buffer ring: who may touch which slot, and when. Pure bookkeeping, the same for host and device.

    FREE --acquire--> FILLING --fill--> FILLED --start--> RUNNING --finish--> READY --release--> FREE

One stage fills slot k+1 while another runs slot k and a third reads slot k-1. The ring knows neither memory nor
streams: a backend owns the buffers and looks them up by slot number.
"""

import threading
from enum import Enum, auto

from streamd.errors import Abandoned


class SlotState(Enum):
    """What may be done with a slot now."""

    FREE = auto()
    FILLING = auto()
    FILLED = auto()
    RUNNING = auto()
    READY = auto()


class SlotRing:
    """A ring of `count` slots shared by the stages around one model."""

    def __init__(self, count: int) -> None:
        if count < 2:
            raise ValueError(f"a ring needs at least 2 slots to overlap filling with running, got {count}")
        self._states = [SlotState.FREE] * count
        self._changed = threading.Condition()
        self._closed = False

    def __len__(self) -> int:
        return len(self._states)

    def state(self, slot: int) -> SlotState:
        """Return the state of `slot`."""
        with self._changed:
            return self._states[slot]

    def wait(self) -> None:
        """Wait until there is a free slot.

        Raises:
            Abandoned: the ring was closed, so no slot will become free.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._closed or SlotState.FREE in self._states)
            if self._closed:
                raise Abandoned

    def acquire(self) -> int:
        """Wait for a free slot and return its number, now FILLING.

        Raises:
            Abandoned: the ring was closed, so no slot will become free.
        """
        with self._changed:
            self.wait()
            slot = self._states.index(SlotState.FREE)
            self._states[slot] = SlotState.FILLING
            return slot

    def fill(self, slot: int) -> None:
        """Mark an acquired slot as filled."""
        self._move(slot, SlotState.FILLING, SlotState.FILLED)

    def start(self, slot: int) -> None:
        """Mark a filled slot as running."""
        self._move(slot, SlotState.FILLED, SlotState.RUNNING)

    def finish(self, slot: int) -> None:
        """Mark a running slot as ready to be read."""
        self._move(slot, SlotState.RUNNING, SlotState.READY)

    def release(self, slot: int) -> None:
        """Give a read slot back."""
        self._move(slot, SlotState.READY, SlotState.FREE)

    def close(self) -> None:
        """Wake whoever waits for a slot; safe twice."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _move(self, slot: int, expected: SlotState, new: SlotState) -> None:
        with self._changed:
            if self._states[slot] is not expected:
                raise RuntimeError(f"slot {slot} is {self._states[slot].name}, expected {expected.name}")
            self._states[slot] = new
            if new is SlotState.FREE:
                self._changed.notify()
