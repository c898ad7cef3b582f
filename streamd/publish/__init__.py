"""What leaves: detections and events to every sink, video to those who asked for it.

`open_sinks` opens all that the configuration names and speaks to them as one.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Literal, Protocol

from streamd import config, uri
from streamd.clock import Clock
from streamd.frames import Detections, Frame, Notice, Packet
from streamd.publish.curve import Doorkeeper
from streamd.publish.file import FileSink
from streamd.publish.zeromq import ZeroMQSink

Socket = Literal["detections", "video"]


class Sink(Protocol):
    """Takes everything that leaves, from any thread, and never makes the caller wait for a reader."""

    def detections(
        self, frames: Sequence[Frame], found: Sequence[Detections], labels: Sequence[str], model: str
    ) -> None:
        """Publish what a run found on its frames."""

    def event(self, notice: Notice) -> None:
        """Publish what happened to a camera."""

    def video(self, packet: Packet) -> None:
        """Publish an access unit."""

    def close(self) -> None:
        """Send what is under way and let go; safe twice."""


SINKS: dict[str, Callable[[config.Publish, Clock, Path], Sink]] = {"zeromq": ZeroMQSink, "file": FileSink}


class Sinks:
    """Every sink of a configuration, as one. Closed by whoever opened it."""

    def __init__(
        self, zeromq: ZeroMQSink, others: Sequence[Sink] = (), hide: Callable[[str], str] = uri.redact
    ) -> None:
        """`hide` takes secrets out of the reasons of events."""
        self._hide = hide
        self._zeromq = zeromq
        self._all: tuple[Sink, ...] = (zeromq, *others)

    def detections(
        self, frames: Sequence[Frame], found: Sequence[Detections], labels: Sequence[str], model: str
    ) -> None:
        """Publish what a run found on its frames."""
        for sink in self._all:
            sink.detections(frames, found, labels, model)

    def event(self, notice: Notice) -> None:
        """Publish what happened to a camera, without secrets."""
        notice = replace(notice, reason=self._hide(notice.reason))
        for sink in self._all:
            sink.event(notice)

    def video(self, packet: Packet) -> None:
        """Publish an access unit."""
        for sink in self._all:
            sink.video(packet)

    def wanted(self, camera: str) -> bool:
        """Tell whether anybody watches the camera's video now."""
        return self._zeromq.wanted(camera)

    def subscribers(self, socket: Socket) -> int:
        """Return how many subscriptions to detections, or to video, there are now."""
        return self._zeromq.subscribers(socket)

    @property
    def doorkeeper(self) -> Doorkeeper | None:
        """Who lets clients in where a socket is encrypted; somebody must run its `serve`. None where nobody must."""
        return self._zeromq.doorkeeper

    @property
    def endpoints(self) -> dict[Socket, str]:
        """Where the sockets are bound, with the port that was chosen where the configuration left it open."""
        return self._zeromq.endpoints

    def close(self) -> None:
        """Close every sink, the last opened first; safe twice."""
        for sink in reversed(self._all):
            sink.close()

    def __enter__(self) -> "Sinks":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_sinks(
    publish: config.Publish, clock: Clock, base: Path = Path(), hide: Callable[[str], str] = uri.redact
) -> Sinks:
    """Open every sink that a configuration names; `base` is the folder of its file, `hide` takes secrets out of texts.

    Raises:
        PublishError: a socket that cannot be bound, a key or a file that cannot be used.
    """
    zeromq = ZeroMQSink(publish, clock, base)
    if publish.file is None:
        return Sinks(zeromq, hide=hide)
    try:
        return Sinks(zeromq, [FileSink(publish, clock, base)], hide)
    except BaseException:
        zeromq.close()
        raise
