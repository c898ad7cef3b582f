"""One XPUB socket: who may reach it, who has subscribed to what, and sending without ever waiting.

Subscriptions are what ZeroMQ reports of them: the first to a topic, and the end of the last. Peers that vanish without
a word are noticed by heartbeats, and their subscriptions end like any other. A peer can send nothing else that
matters: other messages are thrown away, and one longer than any topic ends its connection.
"""

import errno
import socket
import stat
import threading
from collections.abc import Sequence
from pathlib import Path

import zmq

from streamd import config
from streamd.clock import Clock
from streamd.errors import PublishError
from streamd.publish import curve
from streamd.publish.native import sender

LINGER_MS = 1_000
HEARTBEAT_MS, HEARTBEAT_TIMEOUT_MS = 5_000, 15_000
MAX_TOPIC_BYTES = 1_024
MAX_TOPICS = 4_096  # of a daemon with a thousand cameras, three each
READ_EVERY_NS = 10_000_000  # `wants` looks for news of subscriptions at most so often
READ_AT_ONCE = 1_000  # messages; a peer that floods the socket must not keep its owner

# Plain numbers: to join zmq's flags takes longer than to send, and this is done for every frame.
_LAST, _MORE = int(zmq.NOBLOCK), int(zmq.NOBLOCK | zmq.SNDMORE)


class Outlet:
    """A bound socket that publishes. Any thread may call; no call waits."""

    def __init__(
        self,
        context: "zmq.Context[zmq.Socket[bytes]]",
        key: str,
        settings: config.DetectionsSocket | config.VideoSocket,
        clock: Clock,
        kept: int,
        base: Path,
    ) -> None:
        """Bind as `settings`, found under `key` of the configuration, say.

        A subscriber may be `kept` messages behind before it loses some. A key file is relative to `base`.

        Raises:
            PublishError: an address that cannot be bound or must not be, or a key that cannot be used.
        """
        self._lock = threading.Lock()
        self._clock = clock
        self._read_ns = clock.monotonic_ns()
        self._held: set[bytes] = set()
        self._topics: frozenset[bytes] = frozenset()  # the same, for those who do not wait for the lock
        self._socket = context.socket(zmq.XPUB)
        self._put = sender(self._socket)
        self._closed = False
        try:
            self._socket.set(zmq.SNDHWM, kept)
            self._socket.set(zmq.LINGER, LINGER_MS)
            self._socket.set(zmq.MAXMSGSIZE, MAX_TOPIC_BYTES)
            self._socket.set(zmq.HEARTBEAT_IVL, HEARTBEAT_MS)
            self._socket.set(zmq.HEARTBEAT_TIMEOUT, HEARTBEAT_TIMEOUT_MS)
            self._socket.set(zmq.IPV6, "[" in settings.bind)
            curve.guard(self._socket, key, settings, base)
            self.endpoint = _bind(self._socket, key, settings.bind)
        except BaseException:
            self.close()
            raise

    def send(self, parts: Sequence[bytes]) -> None:
        """Send one message, its topic first, to whoever subscribed; a subscriber that is too far behind loses it."""
        with self._lock:
            if not self._closed:
                self._read()
                for part in parts[:-1]:
                    self._put(part, _MORE)
                self._put(parts[-1], _LAST)

    def wants(self, topic: bytes) -> bool:
        """Tell whether somebody subscribed to `topic`, as far as is known. Never waits: cameras ask for each frame."""
        if self._lock.acquire(blocking=False):
            try:
                self._read()
            finally:
                self._lock.release()
        topics = self._topics
        return bool(topics) and any(topic[:length] in topics for length in range(len(topic) + 1))

    def count(self, prefix: bytes) -> int:
        """Return how many different subscriptions concern topics that begin with `prefix`."""
        with self._lock:
            self._read(now=True)
            return sum(topic.startswith(prefix) or prefix.startswith(topic) for topic in self._topics)

    def close(self) -> None:
        """Close; what was sent may still leave for a second. Safe twice."""
        with self._lock:
            self._closed = True
            self._socket.close()

    def _read(self, *, now: bool = False) -> None:
        """Learn of subscriptions that came and went."""
        time_ns = self._clock.monotonic_ns()
        if self._closed or (not now and time_ns - self._read_ns < READ_EVERY_NS):
            return
        self._read_ns = time_ns
        changed = False
        try:
            for _ in range(READ_AT_ONCE):
                # Frame by frame: behind a message that a peer left open, the next peer's subscription is a part of it.
                changed |= self._learn(self._socket.recv(zmq.NOBLOCK))
        except zmq.Again:
            pass  # that was the last of them
        if changed:
            self._topics = frozenset(self._held)

    def _learn(self, notice: bytes) -> bool:
        """Note a subscription that came or went; true when that changes what is held."""
        change, topic = notice[:1], notice[1:]
        if change == b"\x01" and topic not in self._held and len(self._held) < MAX_TOPICS:
            self._held.add(topic)
        elif change == b"\x00" and topic in self._held:
            self._held.remove(topic)
        else:
            return False
        return True


def _bind(outlet: "zmq.Socket[bytes]", key: str, bind: str) -> str:
    """Bind and return the address, ports chosen."""
    port = bind.rpartition(":")[2]
    if bind.startswith("tcp://") and port.isdecimal() and int(port) > 65_535:  # libzmq would take it modulo 65536
        raise PublishError(f"{key}.bind: cannot bind {bind}: no such port", mend="choose one from 1024 to 65535")
    if bind.startswith("ipc://"):
        _vacate(Path(bind.removeprefix("ipc://")), key)
    try:
        outlet.bind(bind)
        endpoint = outlet.get_string(zmq.LAST_ENDPOINT).rstrip("\0")
        if endpoint.startswith("ipc://") and not endpoint.startswith("ipc://@"):
            Path(endpoint.removeprefix("ipc://")).chmod(0o660)
    except (zmq.ZMQError, OSError) as error:
        mend = {
            errno.EADDRINUSE: "another program has it, perhaps another streamd; end that one or choose another port",
            errno.EADDRNOTAVAIL: "this machine has no such address; `ip address` lists those it has",
            errno.ENODEV: "this machine has no such address; `ip address` lists those it has",
            errno.EACCES: "this user may not; choose a port above 1023, or a folder that it may write to",
            errno.ENOENT: "its folder does not exist; make it",
        }.get(error.errno or 0, "write tcp://127.0.0.1:5555 or ipc:///run/streamd/NAME.sock")
        raise PublishError(f"{key}.bind: cannot bind {bind}: {error.strerror}", mend=mend) from error
    return endpoint


def _vacate(path: Path, key: str) -> None:
    """Make sure that binding `path`, which removes what is there, removes only a socket that nobody serves."""
    try:
        if not stat.S_ISSOCK(path.stat().st_mode):
            raise PublishError(
                f"{key}.bind: {path} is there and is no socket", mend="choose another path, or remove it"
            )
        with socket.socket(socket.AF_UNIX) as caller:
            caller.settimeout(1)
            caller.connect(str(path))
    except (FileNotFoundError, ConnectionRefusedError):
        return  # nothing there, or left behind by a process that was killed
    except OSError as error:
        raise PublishError(
            f"{key}.bind: cannot look at {path}: {error.strerror}", mend="choose another path"
        ) from error
    raise PublishError(f"{key}.bind: another program serves {path}", mend="end it, or choose another path")
