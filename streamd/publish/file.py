"""Detections and events appended to a file, one JSON object a line."""

import errno
import os
import threading
from collections.abc import Sequence
from pathlib import Path

import structlog
from msgspec import Struct

from streamd import config, wire
from streamd.clock import Clock
from streamd.errors import PublishError
from streamd.frames import Detections, Frame, Notice, Packet
from streamd.publish import messages


class FileSink:
    """Appends to one file. Any thread may call.

    A file that cannot be written, say because the disk is full, costs its lines and nothing else: the fault is logged
    once, every later line is tried again, and a line is written whole or not at all.
    """

    def __init__(self, publish: config.Publish, clock: Clock, base: Path = Path()) -> None:
        """Open the file of `publish.file`, which must be set; a relative path starts at `base`.

        Raises:
            PublishError: the file cannot be opened.
        """
        if publish.file is None:
            raise ValueError("publish.file is not set")
        self._path = config.locate(publish.file.path, base)
        self._clock = clock
        self._lock = threading.Lock()
        self._lost = 0
        self._log = structlog.get_logger()
        try:
            self._file = self._path.open("ab", buffering=0)
        except OSError as error:
            raise PublishError(
                f"publish.file.path: cannot write {self._path}: {error.strerror}",
                mend="name a file this user may write",
            ) from error

    def detections(
        self, frames: Sequence[Frame], found: Sequence[Detections], labels: Sequence[str], model: str
    ) -> None:
        """Append what a run found on its frames."""
        for message in messages.detections(frames, found, labels, model, self._clock.unix_ns):
            self._append(message)

    def event(self, notice: Notice) -> None:
        """Append what happened to a camera."""
        self._append(messages.event(notice))

    def video(self, packet: Packet) -> None:
        """Do nothing: lines are no place for video."""

    def close(self) -> None:
        """Close the file; safe twice."""
        with self._lock:
            self._file.close()

    def _append(self, message: Struct) -> None:
        line = wire.encode(message) + b"\n"
        with self._lock:
            if self._file.closed:
                return
            try:
                self._write(line)
            except OSError as error:
                self._lost += 1
                if self._lost == 1:
                    fault = PublishError(f"cannot write {self._path}: {error.strerror}", mend="make room on its disk")
                    self._log.error("lines are lost", reason=str(fault))
                return
            if self._lost:
                self._log.warning("lines are written again", file=str(self._path), lost=self._lost)
                self._lost = 0

    def _write(self, line: bytes) -> None:
        written = self._file.write(line) or 0
        if written < len(line):
            self._file.truncate(os.fstat(self._file.fileno()).st_size - written)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
