"""Tells a live stream that moves from one that only sends."""

from streamd import config
from streamd.clock import Clock
from streamd.decode.source import Stats, StreamError


class Watch:
    """Fails a stream that keeps sending and yet does not move: bytes are no progress, timestamps and pictures are."""

    def __init__(self, camera: config.Camera, clock: Clock, shown: str, stats: Stats) -> None:
        """`stats` counts the damage that is found meanwhile."""
        self._clock = clock
        self._shown = shown
        self._stats = stats
        self._damage = stats.corrupt  # at the last picture
        self._stalled_s = camera.read_timeout
        self._blind_s = patience_s(camera)
        self._timestamp: int | None = None
        self._moved_ns = self._seen_ns = clock.monotonic_ns()

    def packet(self, timestamp: int | None) -> None:
        """Note a packet; one without a timestamp counts as movement, there being nothing to compare."""
        if timestamp is None or timestamp != self._timestamp:
            self._timestamp = timestamp
            self._moved_ns = self._clock.monotonic_ns()

    def picture(self) -> None:
        """Note a decoded picture."""
        self._damage = self._stats.corrupt
        self._seen_ns = self._clock.monotonic_ns()

    def check(self) -> None:
        """Raise `StreamError` when either has been missing for too long."""
        now_ns = self._clock.monotonic_ns()
        if now_ns - self._moved_ns > self._stalled_s * 1e9:
            raise StreamError(
                f"{self._shown}: data arrives, yet its timestamps stood still for {self._stalled_s:g} s",
                cause="stalled",
                mend="restart the camera's stream",
            )
        if now_ns - self._seen_ns > self._blind_s * 1e9:
            raise StreamError(
                f"{self._shown}: data arrives, yet no picture could be decoded for {self._blind_s:g} s",
                cause="corrupt" if self._stats.corrupt > self._damage else "stalled",
                mend="check the network, and the camera's codec and key frame interval",
            )


def patience_s(camera: config.Camera) -> float:
    """Return how long a live stream may be without a picture: a key frame may be as long in coming as an opening."""
    return camera.open_timeout + camera.read_timeout
