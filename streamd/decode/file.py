"""Files: videos and still pictures, once or in a loop, at the pace of their timestamps or as fast as they are taken."""

import math
from collections.abc import Iterator
from pathlib import Path

import av

from streamd import config
from streamd.clock import Clock, Stop
from streamd.decode.address import Address
from streamd.decode.decoder import Hardware
from streamd.decode.pace import Pace
from streamd.decode.source import Shot, Stats, StreamError
from streamd.decode.stream import Stream, explained, open_stream
from streamd.frames import Picture

_SHORT_NS = 500_000_000  # a video that ends this much before its stated length is broken, not rounded


class FileSource:
    """A file. In a loop its timestamps go on, so that it looks like one endless stream."""

    live = False
    patience_s = math.inf

    def __init__(
        self, address: Address, camera: config.Camera, clock: Clock, stats: Stats, hardware: Hardware | None = None
    ) -> None:
        self._address = address
        self._camera = camera
        self._clock = clock
        self._stats = stats
        self._hardware = hardware

    def check(self) -> None:
        """Open the file and decode its first frame."""
        for _ in _shots(Path(self._address.target), self._address.shown, Stats()):
            return
        raise StreamError(
            f"{self._address.shown}: no frame of its video can be decoded", cause="invalid", mend="name another file"
        )

    def run_once(self, stop: Stop) -> Iterator[Shot]:
        """Yield every frame of the file; again and again where it loops.

        Raises:
            StreamError: it cannot be opened, holds no frame, or breaks off.
        """
        pace = Pace(self._clock) if self._camera.pace == "realtime" else None
        begin_ns = 0  # of this lap
        while True:
            end_ns = begin_ns
            first_ns: int | None = None
            for shot in _shots(Path(self._address.target), self._address.shown, self._stats, self._hardware):
                if first_ns is None:
                    first_ns = shot.pts_ns or 0
                due_ns = end_ns if shot.pts_ns is None else begin_ns + shot.pts_ns - first_ns
                end_ns = due_ns + shot.duration_ns
                if stop.is_set() or (pace and pace.wait(due_ns, shot.duration_ns, stop)):
                    return
                yield Shot(shot.picture, due_ns, shot.duration_ns, self._clock.unix_ns(), shot.lost)
            if first_ns is None:
                raise StreamError(
                    f"{self._address.shown}: its video holds no frames", cause="invalid", mend="name another file"
                )
            if not self._camera.loop or stop.is_set():
                return
            begin_ns = end_ns


def pictures(path: Path) -> Iterator[Picture]:
    """Yield every frame of the video, or the one picture of the image, at `path`, as fast as it decodes.

    Raises:
        SourceError: it cannot be opened, holds no video, or breaks off.
    """
    for shot in _shots(path, str(path), Stats()):
        if isinstance(shot.picture, Picture):  # as all are that no GPU decodes
            yield shot.picture


def picture_from_image(path: Path) -> Picture:
    """Return the image at `path` through the decoder that a camera's frames go through.

    Raises:
        SourceError: it is no image.
    """
    for picture in pictures(path):
        return picture
    raise StreamError(f"{path}: holds no picture", cause="invalid", mend="name a JPEG or PNG file")


def _shots(path: Path, shown: str, stats: Stats, hardware: Hardware | None = None) -> Iterator[Shot]:
    if path.is_file() and path.stat().st_size == 0:
        raise StreamError(f"{shown}: the file is empty", cause="invalid", mend="name a file with video in it")
    # `file:` keeps FFmpeg from reading a protocol into a name with a colon
    stream = open_stream(f"file:{path}", shown, stats, live=False, hardware=hardware)
    try:
        yield from _whole(stream, shown)
    finally:
        stream.close()


def _whole(stream: Stream, shown: str) -> Iterator[Shot]:
    stated_ns = _stated_end_ns(stream)
    count = 0
    try:
        for packet in stream.packets():
            if packet.stream.index != stream.video.index:
                continue
            for shot in stream.decode(packet, 0):
                count += 1
                yield shot
    except av.FFmpegError as error:
        raise explained(error, f"{shown}: breaks off after {count} frames") from error
    if stream.reached_ns is not None and stated_ns is not None and stated_ns - stream.reached_ns > _SHORT_NS:
        missing_s = (stated_ns - stream.reached_ns) / 1e9
        raise StreamError(
            f"{shown}: breaks off after {count} frames, {missing_s:.1f} s before its end", cause="invalid"
        )


def _stated_end_ns(stream: Stream) -> int | None:
    """Return when the video should end, as its container states it; None where it does not."""
    video = stream.video
    if video.duration and video.time_base is not None:
        return round(((video.start_time or 0) + video.duration) * video.time_base * 1_000_000_000)
    return stream.stated_end_ns() if stream.format.startswith("matroska") else None
