"""What the commands at this end of the wire share: ending on a signal, and saying that nobody answers."""

import signal
from collections.abc import Callable
from pathlib import Path
from typing import TypedDict

from streamd.client.subscriber import Subscriber
from streamd.clock import Clock, Stop
from streamd.errors import ClientError

PATIENCE_NS = 5 * 10**9


def stop_on_signals(stop: Stop) -> None:
    """Give `stop` on SIGINT and SIGTERM, for the rest of the process. Main thread only."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())


class Patience:
    """Says once, after five seconds, that nobody answers; and once more whenever a connection was lost again."""

    def __init__(self, subscriber: Subscriber, say: Callable[[str], None], clock: Clock) -> None:
        self._subscriber = subscriber
        self._say = say
        self._clock = clock
        self._since_ns = clock.monotonic_ns()
        self._said = False

    def look(self) -> None:
        """Look at the connection; call it several times a second while nothing comes."""
        now_ns = self._clock.monotonic_ns()
        if self._subscriber.connected:
            self._since_ns, self._said = now_ns, False
        elif not self._said and now_ns - self._since_ns >= PATIENCE_NS:
            self._said = True
            why = self._subscriber.refused or "nobody answers there; is the daemon running?"
            self._say(f"waiting for {self._subscriber.endpoint}: {why}")


class Keys(TypedDict, total=False):
    """What a subscriber takes of CURVE."""

    server_key: bytes
    secret_key: bytes


def read_keys(server_key: Path | None, secret_key: Path | None) -> Keys:
    """Return the CURVE keys in the files that are named.

    Raises:
        ClientError: a file cannot be read, or there is no use for one's own key.
    """
    keys = Keys()
    if server_key is not None:
        keys["server_key"] = read_key(server_key)
    if secret_key is not None:
        if server_key is None:
            raise ClientError("a secret key alone encrypts nothing", mend="give --server-key FILE too")
        keys["secret_key"] = read_key(secret_key)
    return keys


def read_key(path: Path) -> bytes:
    """Return the CURVE key in a file.

    Raises:
        ClientError: the file cannot be read.
    """
    try:
        return path.read_bytes().strip()
    except OSError as error:
        raise ClientError(f"cannot read {path}: {error.strerror}", mend="name the file of the key") from error
