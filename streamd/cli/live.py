"""A line on stderr that shows how a long call of a library goes on, and Ctrl-C while it is under way.

The library calls back seldom and from wherever it is: nothing here starts a thread or waits.
"""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

WIDTH = 24  # of the bar, in characters
USUAL_COLUMNS = 80  # of a terminal that does not tell
EVERY_S = 0.1
SPIN = "|/-\\"


class Line:
    """Written over and over on a terminal, and not at all elsewhere. Shows a bar where a fraction is known."""

    def __init__(self, label: str, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` gives seconds."""
        self._label = label
        self._stream = stream or sys.stderr
        self._there = self._stream.isatty()
        self._clock = clock
        self._begun = clock()
        self._due = self._begun
        self._shown = 0
        self._turns = 0

    def __call__(self, fraction: float | None, phase: str) -> None:
        """Show how far it is; at most ten times a second."""
        now = self._clock()
        if now < self._due or not self._there:
            return
        self._due = now + EVERY_S
        self._turns += 1
        if fraction is None:
            how = SPIN[self._turns % len(SPIN)]
        else:
            how = f"[{'#' * round(WIDTH * fraction):-<{WIDTH}}] {fraction:4.0%}"
        text = f"{self._label} {how} {now - self._begun:.0f} s {phase}"[: self._room()]
        self._write(f"\r{text:<{self._shown}}")
        self._shown = len(text)

    def close(self) -> None:
        """Take the line away."""
        if self._shown:
            self._write("\r" + " " * self._shown + "\r")
            self._shown = 0

    def _write(self, text: str) -> None:
        try:
            self._stream.write(text)
            self._stream.flush()
        except OSError:  # the terminal was closed: what is shown there is not missed
            self._there = False

    def _room(self) -> int:
        try:
            columns = os.get_terminal_size(self._stream.fileno()).columns
        except (OSError, ValueError):
            columns = 0
        return (columns or USUAL_COLUMNS) - 1


@contextmanager
def interruptible(*, asks: bool) -> Iterator[Callable[[], bool]]:
    """Give a function that tells whether Ctrl-C was pressed. `asks` says that the library will be told so.

    It is known from a pipe that the signal itself writes to: the handler only runs in the main thread, which a library
    may keep, and a callback may come from another. Pressed again, or where the library cannot be told, Ctrl-C ends the
    process at once: nothing is left half-written, files are put in place whole.
    """
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    os.set_blocking(writer, False)
    pressed = False

    def stopped() -> bool:
        nonlocal pressed
        if not pressed:
            try:
                pressed = signal.SIGINT in os.read(reader, 64)
            except BlockingIOError:
                return False
        return pressed

    def handler(_number: int, _frame: object) -> None:
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    former_writer = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    former = signal.signal(signal.SIGINT, handler if asks else signal.SIG_DFL)
    try:
        yield stopped
    finally:
        signal.signal(signal.SIGINT, former)
        signal.set_wakeup_fd(former_writer)
        os.close(reader)
        os.close(writer)


@contextmanager
def ended_at_once() -> Iterator[None]:
    """Let Ctrl-C end the process without a word meanwhile: for imports, where libraries make errors of it."""
    former = signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, former)
