"""CURVE: who may connect to a socket, and who may not read along (ZeroMQ RFC 26).

`guard` sets a socket up before it is bound. An encrypted one asks, at each handshake, whoever serves ZAP in its
context (RFC 27): that is `Doorkeeper`, which answers by the list of clients. Until it serves, and once it has ended,
nobody is let in. It starts no thread: somebody runs `serve` in one.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import structlog
import zmq
from zmq.utils import z85

from streamd import config
from streamd.clock import Stop
from streamd.errors import ConfigError, PublishError

ZAP = "inproc://zeromq.zap.01"
POLL_MS = 250  # how often the stop signal is looked at


def guard(
    outlet: "zmq.Socket[bytes]", key: str, settings: config.DetectionsSocket | config.VideoSocket, base: Path
) -> None:
    """Set up encryption, and refuse to let in whoever comes where other machines listen.

    Raises:
        PublishError: a key that cannot be used, or an address that must not be bound without one.
    """
    if not settings.insecure and not _local(settings.bind):
        said = config.open_door(settings.curve_secret_key_file is not None, settings.curve_client_keys_file is not None)
        if said:
            raise PublishError(f"{key}.bind: other machines reach {settings.bind}, and {said}")
    if settings.curve_secret_key_file is None:
        return
    path = config.locate(settings.curve_secret_key_file, base)
    try:
        secret = config.read_secret(path).encode()
        outlet.curve_publickey = zmq.curve_public(secret)
        outlet.curve_secretkey = secret
        outlet.curve_server = True
    except (ConfigError, zmq.ZMQError, ValueError) as error:
        raise PublishError(
            f"{key}.curve_secret_key_file: {path} holds no CURVE secret key",
            mend="`streamd keygen NAME` writes one",
        ) from error
    outlet.set(zmq.ZAP_DOMAIN, key.encode())
    outlet.set(zmq.ZAP_ENFORCE_DOMAIN, 1)  # without a doorkeeper nobody is let in


def _local(bind: str) -> bool:
    return bind.startswith("ipc://") or config.loopback(bind.removeprefix("tcp://").rpartition(":")[0])


class Doorkeeper:
    """Answers, for the sockets of a context, whether a client's key is on their list."""

    def __init__(self, context: "zmq.Context[zmq.Socket[bytes]]", lists: Mapping[str, Path | None]) -> None:
        """`lists` names, by the socket's key in the configuration, the file of its clients; None lets all in."""
        self._lists = {key: None if path is None else KeyList(path) for key, path in lists.items()}
        self._log = structlog.get_logger()
        self._socket = context.socket(zmq.ROUTER)
        self._socket.set(zmq.LINGER, 0)
        self._socket.bind(ZAP)

    def serve(self, stop: Stop) -> Iterator[None]:
        """Answer until `stop`, then close. Yields nothing: a stage's feed, or a plain loop, drives it."""
        try:
            while not stop.is_set():
                if self._socket.poll(POLL_MS):
                    self._answer(self._socket.recv_multipart())
        finally:
            self.close()
        yield from ()

    def close(self) -> None:
        """Let nobody in any more; safe twice."""
        self._socket.close()

    def _answer(self, parts: Sequence[bytes]) -> None:
        cut = parts.index(b"") + 1
        request = parts[cut:]
        allowed = len(request) >= 7 and self._allowed(*request[2:4], *request[5:7])
        code, said = (b"200", b"OK") if allowed else (b"400", b"No access")
        self._socket.send_multipart([*parts[:cut], b"1.0", request[1], code, said, b"", b""])

    def _allowed(self, domain: bytes, address: bytes, mechanism: bytes, key: bytes) -> bool:
        """Tell whether a client may come in, and say so in the log when it may not."""
        name = domain.decode("latin-1")
        allowed = name in self._lists and mechanism == b"CURVE" and len(key) == 32
        if allowed:
            keys = self._lists[name]
            allowed = keys is None or z85.encode(key).decode() in keys
        if not allowed:
            self._log.warning("refused a client", socket=name, address=address.decode("latin-1"))
        return allowed


class KeyList:
    """The public keys in a file, read again whenever the file changes; of one that cannot be read, none."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int, int] | None = None
        self._keys: frozenset[str] = frozenset()

    def __contains__(self, key: str) -> bool:
        try:
            about = os.stat(self._path)  # noqa: PTH116  one look a handshake, and no more
            seen = (about.st_mtime_ns, about.st_size, about.st_ino)
            if seen != self._seen:
                self._keys = config.read_keys(self._path)
                self._seen = seen
        except (OSError, ConfigError) as error:
            self._keys, self._seen = frozenset(), None
            said = "no client is let in: its list cannot be read"
            structlog.get_logger().error(said, file=str(self._path), reason=str(error))
        return key in self._keys
