"""What the commands at this end of the wire share: ending on a signal, and saying that nobody answers."""

import signal
from collections.abc import Callable
from pathlib import Path

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


def read_key(path: Path) -> bytes:
    """Return the public CURVE key in a file.

    Raises:
        ClientError: the file cannot be read.
    """
    try:
        return path.read_bytes().strip()
    except OSError as error:
        raise ClientError(f"cannot read {path}: {error.strerror}", mend="name the file of the public key") from error
