"""Live streams over a network: RTSP by TCP or UDP, and what HTTP serves (MJPEG, HLS, MP4)."""

import errno
import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

import av
from msgspec.structs import replace

from streamd import config
from streamd.clock import Clock, Stop
from streamd.decode.address import Address
from streamd.decode.decoder import Hardware
from streamd.decode.interrupt import interrupted_by
from streamd.decode.pace import Pace
from streamd.decode.source import Shot, Stats, StreamError
from streamd.decode.stream import Stream, explained, open_stream
from streamd.decode.watch import Watch, patience_s

# Enough to learn a camera's codec and size; FFmpeg's own 5 s would be spent on guessing the frame rate.
# `fflags nobuffer` is left out on purpose: it throws the packets of the probe away, the first key frame among them.
_PROBE = {"analyzeduration": "1000000", "probesize": "1000000", "fpsprobesize": "0"}
# RTP tells when a picture is shown, not when it is decoded. FFmpeg would make that up before it lets go of the first
# packet, by decoding seven frames or more (has_decode_delay_been_guessed in libavformat/demux.c); nobody here asks.
_RTSP = {"allowed_media_types": "video", "max_ts_probe": "0"}
_RECORDED = ("mov", "matroska", "hls", "dash", "avi")  # what HTTP serves of these arrives faster than it plays


class LiveSource:
    """One network stream, from connecting to its end."""

    live = True

    def __init__(
        self, address: Address, camera: config.Camera, clock: Clock, stats: Stats, hardware: Hardware | None = None
    ) -> None:
        self._address = address
        self._camera = camera
        self._clock = clock
        self._stats = stats
        self._hardware = hardware
        self.patience_s = patience_s(camera)

    def check(self) -> None:
        """Accept: a camera that is away now may come."""

    def run_once(self, stop: Stop) -> Iterator[Shot]:
        """Connect and yield what arrives from the first key frame on.

        Raises:
            StreamError: no connection, no data in time, timestamps that stand still, or the end of the stream.
        """
        stream = self._open(stop)
        try:
            paced = self._address.scheme.startswith("http") and stream.format.startswith(_RECORDED)
            pace = Pace(self._clock) if paced else None
            for shot in self._shots(stream, stop):
                if pace and pace.wait(shot.pts_ns, shot.duration_ns, stop):
                    return
                # Motion JPEG has no timestamps; FFmpeg makes some up at 25 a second
                yield replace(shot, pts_ns=shot.captured_at_ns) if stream.format == "mpjpeg" else shot
        finally:
            stream.close()

    def _open(self, stop: Stop) -> Stream:
        options = dict(_PROBE)
        if self._address.scheme.startswith("rtsp"):
            options |= {"rtsp_transport": self._camera.transport, **_RTSP}
        began_ns = self._clock.monotonic_ns()
        timeouts = (self._camera.open_timeout, self._camera.read_timeout)
        try:
            with interrupted_by(stop):
                return open_stream(
                    self._address.target,
                    self._address.shown,
                    self._stats,
                    live=True,
                    options=options,
                    timeout=timeouts,
                    hardware=self._hardware,
                )
        except StreamError as error:
            # FFmpeg reports an interrupted RTSP handshake as invalid data
            if error.cause in ("invalid", "timeout") and self._clock.monotonic_ns() - began_ns >= timeouts[0] * 1e9:
                raise _silent(self._address.shown, "no answer", "open_timeout", timeouts[0]) from error
            if _io_error(error):
                raise self._without_contact() from error
            raise

    def _shots(self, stream: Stream, stop: Stop) -> Iterator[Shot]:
        watch = Watch(self._camera, self._clock, self._address.shown, self._stats)
        packets = stream.packets()
        while not stop.is_set():
            began_ns = self._clock.monotonic_ns()
            try:
                with interrupted_by(stop):
                    packet = next(packets)
            except av.error.ExitError as error:
                if stop.is_set():
                    return
                raise self._fell_silent() from error
            except av.FFmpegError as error:
                fault = explained(error, self._address.shown)
                if fault.cause == "invalid":  # it was a video up to here
                    raise StreamError(f"{self._address.shown}: damaged beyond reading", cause="corrupt") from error
                raise fault from error
            except StopIteration:
                return
            # a read that times out first hands out what a parser held back, as if it had just come
            if self._clock.monotonic_ns() - began_ns > self._camera.read_timeout * 1e9:
                raise self._fell_silent()
            arrived_ns = self._clock.unix_ns()
            if packet.stream.index == stream.video.index:
                watch.packet(packet.dts if packet.dts is not None else packet.pts)
                for shot in stream.decode(packet, arrived_ns):
                    watch.picture()
                    yield shot
            watch.check()

    def _without_contact(self) -> StreamError:
        """Return what FFmpeg means by an input/output error before anything was said."""
        host = urlsplit(self._address.target).hostname
        try:
            socket.getaddrinfo(host, None)
        except OSError:
            return StreamError(
                f"{self._address.shown}: no host of that name is known",
                cause="unreachable",
                mend="check it and the DNS",
            )
        if self._address.scheme in ("rtsps", "https"):
            return StreamError(
                f"{self._address.shown}: no TLS connection can be made",
                cause="tls",
                mend=f"check that TLS is spoken there, or write {self._address.scheme.removesuffix('s')}://",
            )
        return StreamError(f"{self._address.shown}: input/output error", cause="error")

    def _fell_silent(self) -> StreamError:
        return _silent(self._address.shown, "no data", "read_timeout", self._camera.read_timeout)


def _io_error(error: StreamError) -> bool:
    return isinstance(error.__cause__, OSError) and error.__cause__.errno == errno.EIO


def _silent(shown: str, what: str, key: str, seconds: float) -> StreamError:
    return StreamError(
        f"{shown}: {what} within {seconds:g} s", cause="timeout", mend=f"check the network, or raise {key}"
    )
