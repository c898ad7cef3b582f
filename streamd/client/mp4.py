"""An MP4 written as it comes: fragments of a second, each complete in itself, so that a killed writer loses the last.

A fragment goes to the file in one write(2), so no kill can leave half of its index there, which players refuse; and
on a disk that is full the file is cut back to its last whole fragment. The file itself is made with its first
fragment: libavformat ends no fragment before its time, and a file without one is no video.

Access units are copied, never decoded. Times are those of the stream (`pts_ns`), each frame as long as the time to
the next one.
"""

import io
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import av
from av.container import InputContainer

from streamd.client.subscriber import Video
from streamd.errors import ClientError

TIME_BASE = Fraction(1, 90_000)
FRAGMENT_US = 1_000_000
LONGEST_STEP_NS = 3_600 * 10**9
LAST_FRAME_TICKS = 3_000  # of a file of one frame: 1/30 s; elsewhere the last is as long as the one before it

OPTIONS = {
    "movflags": "frag_keyframe+empty_moov+default_base_moof",
    "frag_duration": str(FRAGMENT_US),
    "flush_packets": "1",
}


class Mp4File:
    """One file, from its first keyframe on. Closed by whoever made it."""

    def __init__(self, names: Iterable[Path], first: Video, description: InputContainer) -> None:
        """Begin with the keyframe `first`, as `describe`d; the file will be the first of `names` that is free."""
        self.path: Path | None = None  # None until there is a fragment to write; never after `close`
        self.first = first
        self._names = iter(names)
        self._held = first
        self._ticks = 0
        self._step = LAST_FRAME_TICKS
        self._file: io.FileIO | None = None
        self._size = 0
        self._muxed = Gathered()
        self._container = av.open(self._muxed, "w", format="mp4", options=OPTIONS)
        self._stream = self._container.add_stream_from_template(description.streams.video[0], opaque=True)
        self._stream.time_base = TIME_BASE
        self._container.start_encoding()
        self._head = self._muxed.take()

    def continues(self, unit: Video) -> bool:
        """Tell whether `unit` can go into the same file: the same session and size, and a little later."""
        a, b = self._held.header, unit.header
        same = (a.session, a.width, a.height) == (b.session, b.width, b.height)
        return same and 0 < b.pts_ns - a.pts_ns < LONGEST_STEP_NS

    def write(self, unit: Video) -> None:
        """Add a unit that `continues` what is there.

        Raises:
            ClientError: the file cannot be written; what is in it plays.
        """
        ticks = (unit.header.pts_ns - self.first.header.pts_ns) * TIME_BASE.denominator // 10**9
        self._step = max(1, ticks - self._ticks)
        self._mux()
        self._held, self._ticks = unit, self._ticks + self._step

    def close(self) -> None:
        """Write the last frame and close.

        Raises:
            ClientError: the file cannot be written; what is in it plays.
        """
        self._mux()
        self._container.close()
        self._commit()
        if self._file is not None:
            self._file.close()

    def _mux(self) -> None:
        """Mux the unit that is held, now that its duration is known; write the fragment that it completes."""
        packet = av.Packet(self._held.data)
        packet.stream = self._stream
        packet.time_base = TIME_BASE
        packet.pts = packet.dts = self._ticks
        packet.duration = self._step
        packet.is_keyframe = self._held.header.keyframe
        self._container.mux_one(packet)
        self._commit()

    def _commit(self) -> None:
        """Write what was muxed, whole or not at all."""
        data = self._muxed.take()
        if not data:
            return
        path, file = self._create()
        data = data if self._size else self._head + data
        try:
            written = 0
            while written < len(data):
                written += file.write(data[written:]) or 0
        except OSError as error:
            file.truncate(self._size)
            file.close()
            if not self._size:
                path.unlink()
            raise _unwritable(path, error) from error
        self._size += len(data)

    def _create(self) -> tuple[Path, io.FileIO]:
        """Return the file, made now if there is none yet."""
        while self.path is None or self._file is None:
            path = next(self._names)
            try:
                self._file, self.path = path.open("xb", buffering=0), path
            except FileExistsError:
                continue
            except OSError as error:
                raise _unwritable(path, error) from error
        return self.path, self._file


class Gathered:
    """What the muxer writes, until it is taken. It cannot seek: a fragment is never changed."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def write(self, data: bytes) -> int:
        """Add a copy of `data`."""
        self._parts.append(bytes(data))
        return len(data)

    def take(self) -> bytes:
        """Return everything written since the last time."""
        data, self._parts = b"".join(self._parts), []
        return data


def describe(unit: Video) -> InputContainer:
    """Read a stream's description (SPS and PPS) from a keyframe; close it after use.

    Raises:
        ClientError: the unit holds no H.264 keyframe.
    """
    try:
        container = av.open(io.BytesIO(unit.data), "r", format="h264")
    except av.FFmpegError as error:
        raise _no_keyframe(unit) from error
    if not container.streams.video or not container.streams.video[0].codec_context.extradata:
        container.close()
        raise _no_keyframe(unit)
    return container


def _no_keyframe(unit: Video) -> ClientError:
    return ClientError(
        f"camera {unit.header.camera}, seq {unit.header.seq}: a keyframe without H.264 in it",
        mend="check that the endpoint is a streamd publisher",
    )


def _unwritable(path: Path, error: OSError) -> ClientError:
    return ClientError(
        f"cannot write {path}: {error.strerror or error}",
        mend="make room, or name another folder; what was written plays",
    )
