"""Record a camera's annotated video: from a keyframe on, in files of a minute or so."""

import itertools
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import structlog

from streamd.client.gaps import Sequence
from streamd.client.mp4 import Mp4File, describe
from streamd.client.subscriber import VIDEO_ENDPOINT, Subscriber, Video
from streamd.clock import Clock, Stop, SystemClock
from streamd.errors import ClientError

TICK_S = 0.1  # how soon a stop signal is seen
YEAR_9999_S = 253_402_300_799


class Recorder:
    """Subscribes to one camera's video and writes it to MP4 files, `<camera>-<UTC time of capture>.mp4`."""

    def __init__(
        self,
        endpoint: str = VIDEO_ENDPOINT,
        camera: str = "",
        out: Path = Path(),
        segment_s: float = 60.0,
        *,
        server_key: bytes | None = None,
        secret_key: bytes | None = None,
        clock: Clock | None = None,
    ) -> None:
        """Subscribe; files go to the folder `out`, which is made when there is none.

        Raises:
            ClientError: the endpoint, the camera or the folder cannot be used.
        """
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", camera, re.ASCII):
            raise ClientError(f"{camera!r} is no camera's name", mend="write it as in the daemon's configuration")
        try:
            out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ClientError(f"cannot make the folder {out}: {error.strerror}", mend="name another") from error
        self._clock = clock or SystemClock()
        self._segments = Segments(out, camera, segment_s)
        self.subscriber = Subscriber(
            endpoint, [camera], ["h264"], server_key=server_key, secret_key=secret_key, clock=clock
        )

    def record(self, stop: Stop, seconds: float | None = None) -> Iterator[Path | None]:
        """Record until `stop`, or for `seconds` from the first unit on; yield each file as it ends.

        Between files it yields None several times a second, so that the caller can look at `subscriber`.

        Raises:
            ClientError: a file cannot be written; what was written of it plays.
        """
        deadline_ns: int | None = None
        try:
            while not stop.is_set() and (deadline_ns is None or self._clock.monotonic_ns() < deadline_ns):
                unit = self.subscriber.receive(TICK_S)
                if isinstance(unit, Video):
                    if deadline_ns is None and seconds is not None:
                        deadline_ns = self._clock.monotonic_ns() + int(seconds * 1e9)
                    yield self._segments.feed(unit)
                else:
                    yield None
        finally:
            last = self._segments.close()
        yield last

    def close(self) -> None:
        """Let the socket go; safe twice."""
        self.subscriber.close()

    def __enter__(self) -> "Recorder":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


class Segments:
    """Cuts a camera's units into files. Each begins at a keyframe; what comes before the first one is left out.

    After a unit that was lost on its way nothing up to the next keyframe can be decoded: that is left out as well, and
    the last frame before it stands in its stead.
    """

    def __init__(self, out: Path, camera: str, segment_s: float) -> None:
        self._out = out
        self._camera = camera
        self._segment_ns = int(segment_s * 1e9)
        self._file: Mp4File | None = None
        self._refused = False
        self._units = Sequence(camera, stride=1)
        self._torn = False

    def feed(self, unit: Video) -> Path | None:
        """Write a unit; return the file that ended before it, if one did.

        Raises:
            ClientError: a file cannot be written.
        """
        self._look_for_losses(unit)
        ended = None
        if self._file is not None and (not self._file.continues(unit) or self._full(unit)):
            ended = self.close()
        if self._file is not None and not self._torn:
            self._write(self._file, unit)
        elif unit.header.keyframe:
            self._file = self._begin(unit)
        return ended

    def close(self) -> Path | None:
        """End the file that is open; return it."""
        file, self._file = self._file, None
        if file is None:
            return None
        file.close()
        return file.path

    def _look_for_losses(self, unit: Video) -> None:
        gap = self._units.follow(unit.header.session, unit.header.unit)
        if gap is not None:
            self._torn = True
            structlog.get_logger().warning(
                "video lost on its way, left out up to the next keyframe", camera=self._camera, units=gap.missing
            )
        if unit.header.keyframe:
            self._torn = False

    def _full(self, unit: Video) -> bool:
        assert self._file is not None
        return unit.header.keyframe and unit.header.pts_ns - self._file.first.header.pts_ns >= self._segment_ns

    def _write(self, file: Mp4File, unit: Video) -> None:
        try:
            file.write(unit)
        except ClientError:
            self._file = None  # it is closed; closing it again would fail again
            raise

    def _begin(self, unit: Video) -> Mp4File | None:
        try:
            description = describe(unit)
        except ClientError as error:
            if not self._refused:
                structlog.get_logger().warning("left out", camera=self._camera, reason=str(error))
            self._refused = True
            return None
        with description:
            return Mp4File(self._names(unit), unit, description)

    def _names(self, unit: Video) -> Iterator[Path]:
        captured_s = min(max(unit.header.captured_at_ns // 10**9, 0), YEAR_9999_S)
        name = f"{self._camera}-{datetime.fromtimestamp(captured_s, UTC):%Y%m%dT%H%M%SZ}"
        yield self._out / f"{name}.mp4"
        yield from (self._out / f"{name}-{number}.mp4" for number in itertools.count(2))
