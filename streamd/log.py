"""The log: one line an event, for people on a terminal and as JSON for everything else.

Whatever is logged passes `Redact` last of all before it is written: no password reaches the stream, whether it stands
in an event, a value, a nested value or a traceback. Messages of one camera or model that repeat are folded by `Fold`.
A log that cannot be written, to a full disk or a pipe that nobody reads any more, costs its lines and nothing else.
"""

import contextlib
import logging
import sys
import threading
from collections.abc import Iterable, Mapping
from typing import Any, Literal, TextIO

import structlog
from structlog.typing import EventDict, WrappedLogger

from streamd import uri
from streamd.clock import Clock, SystemClock

Form = Literal["auto", "console", "json"]
Level = Literal["debug", "info", "warning", "error"]

FOLD_S = 10.0
FOLD_KEYS = 1024
FOLDED = frozenset({"camera", "model", "socket", "file"})  # what broken things, and strangers, have told over and over
NAMED = (*sorted(FOLDED), "address", "stage", "state", "cause")
PRIORITIES = {"debug": 7, "info": 6, "warning": 4, "error": 3, "critical": 2}  # sd-daemon(3)


def setup(
    level: Level = "info",
    form: Form = "auto",
    stream: TextIO | None = None,
    *,
    secrets: Iterable[str] = (),
    clock: Clock | None = None,
    journal: bool = False,
) -> None:
    """Send every logger's events to `stream`, stderr when it is None; call again to change anything.

    A process without a stderr logs nothing.

    `secrets` are hidden wherever they stand. `journal` puts before each line the priority that journald reads.
    """
    out = stream or sys.stderr
    terminal = out is not None and out.isatty()
    people = form == "console" or (form == "auto" and terminal)
    render: Any = structlog.processors.JSONRenderer(ensure_ascii=False)
    if people:
        plain = structlog.dev.plain_traceback
        render = structlog.dev.ConsoleRenderer(colors=terminal, exception_formatter=plain, pad_event_to=0)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            Fold(clock or SystemClock()),
            structlog.processors.TimeStamper(fmt="%H:%M:%S" if people else "iso", utc=not people),
            structlog.processors.StackInfoRenderer(),
            structlog.processors.format_exc_info,
            Redact(secrets),
            *([Journal(render)] if journal else [render]),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=lambda *_: Lines(out),
        cache_logger_on_first_use=False,
    )


class Lines:
    """Writes lines to a stream, and goes on where it cannot. Any thread may call."""

    def __init__(self, out: TextIO | None) -> None:
        self._logger = None if out is None else structlog.PrintLogger(out)

    def msg(self, message: str) -> None:
        """Write one line."""
        if self._logger is not None:
            with contextlib.suppress(OSError, ValueError):  # ValueError: the stream is closed
                self._logger.msg(message)

    debug = info = warning = error = critical = msg


class Redact:
    """Hides passwords in every value of an event; what is neither text, number nor collection becomes its text."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._secrets = uri.forms(secrets)

    def __call__(self, logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
        """Return the event without passwords."""
        return {key: self._clean(value) for key, value in event.items()}

    def _clean(self, value: object) -> object:
        if value is None or isinstance(value, bool | int | float):
            return value
        if isinstance(value, Mapping):
            return {uri.redact(str(key), self._secrets): self._clean(part) for key, part in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [self._clean(part) for part in value]
        return uri.redact(value.decode(errors="replace") if isinstance(value, bytes) else str(value), self._secrets)


class Fold:
    """Lets one of many equal messages through every `interval_s`; it tells how many were held back since the last.

    Messages are equal when event, level and all of `NAMED` are. Only those that name one of `FOLDED` are folded, and
    none of level debug. What was held back at the end of a series is told with the next of its kind.
    """

    def __init__(self, clock: Clock, interval_s: float = FOLD_S) -> None:
        self._clock = clock
        self._interval_ns = int(interval_s * 1e9)
        self._lock = threading.Lock()
        self._seen: dict[tuple[str, ...], tuple[int, int]] = {}  # key -> when it was let through, held back since

    def __call__(self, logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
        """Return the event, or raise `structlog.DropEvent`."""
        if method == "debug" or not FOLDED & event.keys():
            return event
        key = (method, *(str(event.get(part, "")) for part in ("event", *NAMED)))
        held = self._hold(key)
        return {**event, "repeated": held} if held else event

    def _hold(self, key: tuple[str, ...]) -> int:
        """Return how many were held back since the last one, when this one may pass; else raise `DropEvent`."""
        now_ns = self._clock.monotonic_ns()
        with self._lock:
            then_ns, held = self._seen.get(key, (now_ns - self._interval_ns, 0))
            if now_ns - then_ns < self._interval_ns:
                self._seen[key] = (then_ns, held + 1)
                raise structlog.DropEvent
            self._seen.pop(key, None)  # so that the oldest key stands first
            self._seen[key] = (now_ns, 0)
            if len(self._seen) > FOLD_KEYS:
                del self._seen[next(iter(self._seen))]
        return held


class Journal:
    """Puts the priority of an event before its line, as sd-daemon(3) has it."""

    def __init__(self, render: Any) -> None:  # noqa: ANN401  structlog's renderers share no type
        self._render = render

    def __call__(self, logger: WrappedLogger, method: str, event: EventDict) -> str:
        """Return the rendered line, after its priority."""
        priority = PRIORITIES.get(str(event.get("level")), 6)
        return "\n".join(f"<{priority}>{line}" for line in str(self._render(logger, method, event)).splitlines())
