"""One opened container: the video stream chosen from it, its packets, and the pictures they decode to."""

import errno
import re
from collections.abc import Iterator
from typing import Any, TypeAlias

import av
import av.error
from av.container import InputContainer
from av.packet import Packet as AnyPacket
from av.stream import Disposition
from av.stream import Stream as AnyStream
from av.video.stream import VideoStream

from streamd.decode.damage import Damage, Note
from streamd.decode.decoder import Decoder, Hardware
from streamd.decode.picture import ToPicture
from streamd.decode.source import Cause, Shot, Stats, StreamError
from streamd.frames import Picture, Surface

NOMINAL_NS = 40_000_000  # a frame's length where the stream states no rate: 25 frames a second

_TEXT_ART = {"tty", "bin", "xbin", "adf", "idf"}  # FFmpeg draws any .txt file as a terminal; nobody means that
_CAUSES: tuple[tuple[type[Exception], Cause, str, str], ...] = (
    (
        av.error.HTTPUnauthorizedError,
        "denied",
        "user name or password refused",
        "check the user and password of the URI",
    ),
    (av.error.HTTPForbiddenError, "denied", "access forbidden", "give this user the right to view the stream"),
    (av.error.HTTPNotFoundError, "not-found", "no such stream", "check the path of the URI"),
    (av.error.FileNotFoundError, "not-found", "no such file", "check the path"),
    (av.error.PermissionError, "denied", "permission denied", "let this user read it"),
    (av.error.IsADirectoryError, "invalid", "is a directory", "name a file"),
    (av.error.ConnectionRefusedError, "refused", "connection refused", "check host and port, and that it is running"),
    (av.error.ConnectionResetError, "reset", "the other end broke the connection off", "look at the camera's own log"),
    (av.error.ConnectionAbortedError, "reset", "the connection was broken off", "check the network"),
    (av.error.BrokenPipeError, "reset", "the other end broke the connection off", "look at the camera's own log"),
    (av.error.ExitError, "timeout", "no data in time", "check the network, or give it a longer timeout"),
    (av.error.TimeoutError, "timeout", "no data in time", "check the network, or give it a longer timeout"),
)


Packet: TypeAlias = "AnyPacket[AnyStream]"  # quoted: generic only in PyAV's stubs


# A title in another encoding is no reason to see nothing. From PyAV 19 on that goes without saying, and cannot be said.
_LENIENT: dict[str, Any] = {} if int(av.__version__.partition(".")[0]) >= 19 else {"metadata_errors": "replace"}


class Stream:
    """An open container, read by one thread; `close` gives back the decoder and the connection."""

    def __init__(
        self,
        container: InputContainer,
        video: VideoStream,
        shown: str,
        stats: Stats,
        *,
        live: bool,
        hardware: Hardware | None = None,
    ) -> None:
        """`live`: nothing is decoded before the first key frame, as such a stream is joined anywhere."""
        self._container = container
        self._decoder = Decoder(video, live=live, hardware=hardware)
        self._picture = ToPicture(hardware.gpu if hardware else None)
        self._shown = shown
        self._waiting_for_key = live
        self._damage = Damage(video, stats)
        self.reached_ns: int | None = None  # where the furthest frame ends, be it passed over or not
        self.video = video
        base = video.time_base
        # How many nanoseconds a tick is: a count, of so many parts. Asking PyAV makes a Fraction each time.
        self._tick = None if base is None else (base.numerator * 1_000_000_000, base.denominator)
        self.format = container.format.name
        rate = video.average_rate or video.guessed_rate
        self.duration_ns = round(1e9 / rate) if rate and rate <= 1000 else NOMINAL_NS  # 90000 is a clock, not a rate

    def packets(self) -> Iterator[Packet]:
        """Yield the packets of every stream, so that a deadline is seen even while only audio arrives."""
        return self._container.demux()

    def decode(self, packet: Packet, captured_at_ns: int) -> Iterator[Shot]:
        """Yield what `packet` of the video stream completes; an empty packet flushes the decoder.

        Damage is counted, never shown (damage.py).
        """
        if packet.size:
            if self._waiting_for_key and not packet.is_keyframe:
                return
            self._waiting_for_key = False
            packet.opaque = self._damage.note(packet, captured_at_ns)
        frames, refused = self._decoder.decode(packet if packet.size else None)
        self._damage.refused(refused)
        for frame in frames:
            note = frame.opaque if isinstance(frame.opaque, Note) else self._damage.unnoted(captured_at_ns)
            pts_ns, lasts_ns = self._times(frame)
            if pts_ns is not None:
                self.reached_ns = max(self.reached_ns or 0, pts_ns + lasts_ns)
            if not self._damage.hides(frame, note):
                yield Shot(self._shown_as(frame), pts_ns, lasts_ns, note.captured_at_ns, self._damage.lost())

    def stated_end_ns(self) -> int | None:
        """Return when the video ends by a Matroska file, which states no track's length but in a tag.

        The length of the whole file stands in for that of its only track; among several, which one is it of?
        """
        tag = re.fullmatch(r"(\d+):(\d\d):(\d\d(?:\.\d+)?)", self.video.metadata.get("DURATION", ""))
        if tag:
            return round((int(tag[1]) * 3600 + int(tag[2]) * 60 + float(tag[3])) * 1e9)
        alone = len(self._container.streams) == 1
        return self._container.duration * 1000 if alone and self._container.duration else None

    def close(self) -> None:
        """Close the container; safe twice."""
        self._decoder.close()
        self._container.close()

    def _times(self, frame: av.VideoFrame) -> tuple[int | None, int]:
        """Return a frame's timestamp and length, both of which count ticks of its stream."""
        if self._tick is None:
            return None, self.duration_ns
        count, of = self._tick
        lasts_ns = _rounded((frame.duration or 0) * count, of) or self.duration_ns
        return None if frame.pts is None else _rounded(frame.pts * count, of), lasts_ns

    def _shown_as(self, frame: av.VideoFrame) -> Picture | Surface:
        try:
            return self._picture(frame)
        except av.FFmpegError as error:
            what = f"{self._shown}: its pixel format {frame.format.name} cannot be turned into 8-bit 4:2:0"
            raise StreamError(what, cause="codec", mend="choose another format on the camera") from error


def open_stream(
    target: str,
    shown: str,
    stats: Stats,
    *,
    live: bool,
    options: dict[str, str] | None = None,
    timeout: tuple[float, float] | None = None,
    hardware: Hardware | None = None,
) -> Stream:
    """Open `target` and choose its best video stream; with `hardware` its frames stay on the GPU where they can.

    Raises:
        StreamError: it cannot be opened, holds no video, or the video has no decoder here.
    """
    try:
        container = av.open(target, options=options, timeout=timeout, **_LENIENT)
    except (av.FFmpegError, OSError) as error:
        raise explained(error, shown) from error
    try:
        return Stream(container, _best_video(container, shown), shown, stats, live=live, hardware=hardware)
    except BaseException:
        container.close()
        raise


def explained(error: Exception, shown: str) -> StreamError:
    """Return `error` of FFmpeg in words, without the URI, which may hold a password."""
    for kind, cause, what, mend in _CAUSES:
        if isinstance(error, kind):
            return StreamError(f"{shown}: {what}", cause=cause, mend=mend)
    if isinstance(error, av.error.InvalidDataError):
        return StreamError(
            f"{shown}: not a video that FFmpeg can read, or a damaged one", cause="invalid", mend="try `ffprobe`"
        )
    reason = getattr(error, "strerror", None) or type(error).__name__
    if getattr(error, "errno", None) in (errno.ENETUNREACH, errno.EHOSTUNREACH):
        return StreamError(f"{shown}: {reason.lower()}", cause="unreachable", mend="check the network")
    return StreamError(f"{shown}: {reason}", cause="error")


def _rounded(numerator: int, denominator: int) -> int:
    return (2 * numerator + denominator) // (2 * denominator)


def _best_video(container: InputContainer, shown: str) -> VideoStream:
    video = None if container.format.name in _TEXT_ART else container.streams.best("video")
    if not isinstance(video, VideoStream) or Disposition.attached_pic in video.disposition:
        held = sorted({stream.type for stream in container.streams} - {"video"})
        instead = f" (only {', '.join(held)})" if held else ""
        raise StreamError(f"{shown}: holds no video{instead}", cause="invalid", mend="name a file or stream with video")
    if video.codec_context is None:
        raise StreamError(f"{shown}: no decoder for its video", cause="codec", mend="send H.264, H.265 or MJPEG")
    return video
