"""What a source is, and what comes out of one: pictures with the stream's own timestamps. No cameras, no sessions."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal, Protocol

from msgspec import Struct

from streamd.clock import Stop
from streamd.errors import SourceError
from streamd.frames import Picture, Surface

Cause = Literal[
    "denied",  # user or password refused
    "not-found",
    "unreachable",  # no such host, or no way to it
    "refused",
    "reset",
    "timeout",  # nothing came
    "stalled",  # something came, yet no picture
    "tls",
    "codec",  # no decoder, or pictures that nothing here can use
    "corrupt",  # data so damaged that no picture came of it
    "invalid",  # no video at all
    "ended",
    "error",
]
LASTING: frozenset[Cause] = frozenset({"denied", "not-found", "tls", "codec"})  # until somebody mends them


class Shot(Struct, frozen=True):
    """One picture as a source hands it over.

    `pts_ns` is the stream's own timestamp, None where it gives none; `duration_ns` is how long one frame nominally
    lasts; `lost` counts the frames that were passed over since the shot before, damaged ones and what is built on them,
    and one for each gap where frames never came.
    """

    picture: Picture | Surface
    pts_ns: int | None
    duration_ns: int
    captured_at_ns: int
    lost: int = 0


class Source(Protocol):
    """A place pictures come from. Nothing in here retries: `run_once` may fail anywhere, reconnect.py answers."""

    live: (
        bool  # the newest frame wins and a failure is tried again; otherwise every frame counts and the end is the end
    )
    patience_s: float  # how long it may be without a picture before it fails by itself; infinite where nothing watches

    def check(self) -> None:
        """Raise `SourceError` when it is already certain that nothing can come."""

    def run_once(self, stop: Stop) -> Iterator[Shot]:
        """Open, yield pictures until the end or `stop`, close. Raises `SourceError`."""


class StreamError(SourceError):
    """A stream that failed; `cause` is a short, bounded label for counters."""

    def __init__(self, what: str, *, cause: Cause, mend: str = "") -> None:
        super().__init__(what, mend=mend)
        self.cause: Cause = cause


@dataclass(slots=True)
class Stats:
    """What a camera counts from its start on. Written by the camera's thread, read by any."""

    decoded: int = 0  # frames handed on
    corrupt: int = 0  # packets and frames found damaged, none of them handed on, and gaps where frames never came
    skipped: int = 0  # frames passed over as they follow damaged or missing ones, up to the next key frame or recovery
    jumps: int = 0  # timestamps that stepped and were re-anchored
    sessions: int = 0
    reconnects: Counter[Cause] = field(default_factory=Counter)
