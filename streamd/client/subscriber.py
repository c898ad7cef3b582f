"""Messages of a daemon, typed, as they come; in any order of starting, and over any number of restarts."""

import math
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import NamedTuple

import structlog
import zmq
from zmq.utils.monitor import recv_monitor_message

from streamd import wire
from streamd.client.gaps import Gap, Sequence
from streamd.clock import Clock, SystemClock
from streamd.errors import ClientError

DETECTIONS_ENDPOINT = "tcp://127.0.0.1:5555"
VIDEO_ENDPOINT = "tcp://127.0.0.1:5556"

KEPT = {"det": 10_000, "event": 10_000, "h264": 2_000}  # messages that wait for a reader that is busy
HEARTBEAT_MS, HEARTBEAT_TIMEOUT_MS = 5_000, 15_000  # a daemon that vanished without a word is noticed, and tried again
MAX_MESSAGE_BYTES = 1 << 26  # a lossless 8K keyframe fits
RECONNECT_MS, RECONNECT_MAX_MS = 100, 2_000


class Video(NamedTuple):
    """One access unit of H.264 (Annex B) and what is told about it."""

    header: wire.VideoHeader
    data: bytes


Message = wire.Detections | wire.Event | Video

# What follows a topic: the kind of its first part, and how many parts there are.
SHAPES: dict[bytes, tuple[type[wire.Detections | wire.Event | wire.VideoHeader], int]] = {
    b"det": (wire.Detections, 1),
    b"event": (wire.Event, 1),
    b"h264": (wire.VideoHeader, 2),
}


class Subscriber:
    """Receives what a daemon publishes. Use it in one thread, as a context manager or until `close`.

    Iterating yields messages for ever. ZeroMQ reconnects by itself; `connected` tells how things stand. What is no
    message of ours is counted in `skipped`, logged once, and left out.
    """

    def __init__(
        self,
        endpoint: str = DETECTIONS_ENDPOINT,
        cameras: str | Iterable[str] | None = None,
        kinds: Iterable[wire.Topic] = ("det", "event"),
        *,
        on_gap: Callable[[Gap], None] | None = None,
        server_key: bytes | None = None,
        secret_key: bytes | None = None,
        clock: Clock | None = None,
    ) -> None:
        """Subscribe to `kinds` of all cameras, or of those named; detections and video have endpoints of their own.

        `on_gap` is called, before the message after it is returned, for every gap in a camera's numbers. `server_key`
        is the daemon's public CURVE key (40 characters) where its socket is encrypted; `secret_key` is one's own, where
        the daemon lets in only those whom it knows.

        Raises:
            ClientError: the endpoint is no address, or a key is none.
        """
        self.endpoint = endpoint
        self.connected = False
        self.refused = ""
        self.skipped = 0
        self._on_gap = on_gap
        self._sequences: dict[bytes, Sequence] = {}
        self._raw = b""
        self._clock = clock or SystemClock()
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.SUB)
        self._monitor: zmq.Socket[bytes] | None = None
        kinds = tuple(kinds)
        names = ("",) if cameras is None else (cameras,) if isinstance(cameras, str) else tuple(cameras)
        try:
            self._socket.set(zmq.LINGER, 0)
            self._socket.set(zmq.RCVHWM, max(KEPT[kind] for kind in kinds))
            self._socket.set(zmq.HEARTBEAT_IVL, HEARTBEAT_MS)
            self._socket.set(zmq.HEARTBEAT_TIMEOUT, HEARTBEAT_TIMEOUT_MS)
            self._socket.set(zmq.RECONNECT_IVL, RECONNECT_MS)
            self._socket.set(zmq.RECONNECT_IVL_MAX, RECONNECT_MAX_MS)
            self._socket.set(zmq.IPV6, True)
            self._socket.set(zmq.MAXMSGSIZE, MAX_MESSAGE_BYTES)
            if server_key is not None:
                self._encrypt(server_key, secret_key)
            self._monitor = self._socket.get_monitor_socket(
                zmq.EVENT_HANDSHAKE_SUCCEEDED
                | zmq.EVENT_DISCONNECTED
                | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
                | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
                | zmq.EVENT_HANDSHAKE_FAILED_AUTH
            )
            self._poller = zmq.Poller()
            self._poller.register(self._socket, zmq.POLLIN)
            self._poller.register(self._monitor, zmq.POLLIN)
            for topic in {wire.topic(kind, name) for kind in kinds for name in names}:
                self._socket.subscribe(topic)
            self._connect()
        except BaseException:
            self.close()
            raise

    def __iter__(self) -> Iterator[Message]:
        while True:
            message = self.receive()
            if message is not None:
                yield message

    def receive(self, timeout_s: float | None = None) -> Message | None:
        """Return the next message; None when none came within `timeout_s` seconds (for ever when None)."""
        deadline_ns = None if timeout_s is None else self._clock.monotonic_ns() + int(timeout_s * 1e9)
        while self._wait(deadline_ns):
            message = self._take()
            if message is not None:
                return message
        return None

    @property
    def raw(self) -> bytes:
        """The bytes, as on the wire, of the detections, event or video header that `receive` returned last."""
        return self._raw

    def close(self) -> None:
        """Let the sockets go; safe twice."""
        if self._monitor is not None:
            self._socket.disable_monitor()
            self._monitor.close(linger=0)
            self._monitor = None
        self._socket.close(linger=0)
        self._context.term()

    def __enter__(self) -> "Subscriber":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _connect(self) -> None:
        try:
            self._socket.connect(self.endpoint)
        except zmq.ZMQError as error:
            raise ClientError(
                f"{self.endpoint!r} is no endpoint: {error.strerror}", mend=f"write one such as {DETECTIONS_ENDPOINT}"
            ) from error

    def _encrypt(self, server_key: bytes, secret_key: bytes | None) -> None:
        try:
            mine = (zmq.curve_public(secret_key), secret_key) if secret_key is not None else zmq.curve_keypair()
            self._socket.curve_publickey, self._socket.curve_secretkey = mine
        except (zmq.ZMQError, ValueError) as error:
            raise ClientError("that is no secret CURVE key", mend="`streamd keygen NAME` writes one") from error
        try:
            self._socket.curve_serverkey = server_key
        except (zmq.ZMQError, ValueError) as error:
            raise ClientError(
                "that is no public CURVE key", mend="give the 40 characters of the daemon's public key"
            ) from error

    def _wait(self, deadline_ns: int | None) -> bool:
        """Wait for a message; keep an eye on the connection meanwhile."""
        while True:
            left_ns = None if deadline_ns is None else max(0, deadline_ns - self._clock.monotonic_ns())
            ready = dict(self._poller.poll(None if left_ns is None else math.ceil(left_ns / 1e6)))
            if self._monitor in ready and self._monitor is not None:
                self._hear(int(recv_monitor_message(self._monitor)["event"]))
            if self._socket in ready or left_ns == 0:
                return self._socket in ready

    def _hear(self, event: int) -> None:
        self.connected = event == zmq.EVENT_HANDSHAKE_SUCCEEDED
        if self.connected:
            self.refused = ""
        elif event != zmq.EVENT_DISCONNECTED:
            self.refused = "it speaks no ZeroMQ, its CURVE key is another, or it does not let us in"

    def _take(self) -> Message | None:
        parts = self._socket.recv_multipart()
        try:
            return self._parse(parts)
        except ClientError as error:
            self.skipped += 1
            if self.skipped == 1:
                structlog.get_logger().warning("skipped what is no message", endpoint=self.endpoint, reason=str(error))
            return None

    def _parse(self, parts: list[bytes]) -> Message:
        topic, *rest = parts
        struct, count = SHAPES.get(topic.partition(b"/")[0], (wire.Event, 0))
        if len(rest) != count or not rest:
            raise ClientError(
                f"not a message: topic {topic[:40]!r} with {len(rest)} parts",
                mend="check that the endpoint is a streamd publisher",
            )
        message = wire.decode(rest[0], struct)
        if topic.split(b"/")[1:] != [message.camera.encode(), b""]:
            raise ClientError(f"topic {topic[:40]!r} with a message of camera {message.camera[:40]!r}")
        self._raw = rest[0]
        if isinstance(message, wire.Event):
            return message
        self._follow(topic, message)
        return Video(message, rest[1]) if isinstance(message, wire.VideoHeader) else message

    def _follow(self, topic: bytes, message: wire.Detections | wire.VideoHeader) -> None:
        number, stride = (message.unit, 1) if isinstance(message, wire.VideoHeader) else (message.seq, None)
        gap = self._sequences.setdefault(topic, Sequence(message.camera, stride)).follow(message.session, number)
        if gap is not None and self._on_gap is not None:
            self._on_gap(gap)
