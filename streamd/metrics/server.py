"""A very small HTTP server: four pages, a bounded number of connections at once, and a second for each of them."""

import hmac
import json
import re
import selectors
import socket
import time
from collections.abc import Iterator
from contextlib import suppress

from streamd.clock import Stop
from streamd.errors import PublishError
from streamd.metrics import health
from streamd.metrics.instruments import Metrics

REQUEST_S = 1.0  # for one request and its answer, all in all
POLL_S = 0.25  # how often the stop signal and the deadlines are looked at
MAX_CONNECTIONS = 16  # one more, and the oldest gives way: idle ones never keep a probe out
MAX_REQUEST = 8192  # bytes
TEXT = "text/plain; charset=utf-8"
PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"
REASONS = {
    200: "OK",
    400: "Bad Request",
    401: "Unauthorized",
    404: "Not Found",
    405: "Method Not Allowed",
    503: "Service Unavailable",
}

Answer = tuple[int, str, bytes]


class MetricsServer:
    """Serves /metrics, /livez, /readyz and /status. It starts no thread: somebody runs `serve` in one."""

    def __init__(self, bind: str, metrics: Metrics, request_s: float = REQUEST_S, token: str = "") -> None:
        """Bind ADDRESS:PORT; port 0 takes a free one, which `port` then tells. A request has `request_s` seconds.

        With a `token` every request must bear it.

        Raises:
            PublishError: the address cannot be bound.
        """
        host, _, port = bind.rpartition(":")
        host = host.strip("[]")
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._metrics = metrics
        self._request_s = request_s
        self._token = token.encode()
        self._guests: dict[socket.socket, Guest] = {}  # oldest first
        self._selector = selectors.DefaultSelector()
        try:
            self._socket = socket.create_server((host, int(port)), family=family)
        except (OSError, OverflowError, ValueError) as error:
            self._selector.close()
            reason = getattr(error, "strerror", None) or str(error)
            raise PublishError(
                f"metrics: {bind} cannot be bound: {reason}", mend="write another `metrics.bind`, or end what uses it"
            ) from error
        self._socket.setblocking(False)
        self._selector.register(self._socket, selectors.EVENT_READ)

    @property
    def port(self) -> int:
        """The port that is bound."""
        return int(self._socket.getsockname()[1])

    def serve(self, stop: Stop) -> Iterator[None]:
        """Answer requests until `stop`, then close. Yields nothing: a stage's feed, or a plain loop, drives it."""
        try:
            while not stop.is_set():
                for key, _ in self._selector.select(POLL_S):
                    if key.fd == self._socket.fileno():
                        self._welcome(stop)
                    elif key.data in self._guests.values():  # it may have given way to a newer one just now
                        self._attend(key.data)
                for guest in [each for each in self._guests.values() if each.deadline <= time.monotonic()]:
                    self._dismiss(guest)
        finally:
            self.close()
        yield from ()

    def close(self) -> None:
        """Give the port back; safe twice."""
        for guest in list(self._guests.values()):
            self._dismiss(guest)
        self._selector.close()
        self._socket.close()

    def answer(self, request: bytes) -> Answer:
        """Return status, content type and body for the head of an HTTP request."""
        line = re.match(rb"(?P<method>[A-Z]+) (?P<target>/[^ ?]*)(\?[^ ]*)? HTTP/1\.[01]\r?\n", request)
        if not line:
            return 400, TEXT, b"not an HTTP request\n"
        if line["method"] not in (b"GET", b"HEAD"):
            return 405, TEXT, b"GET and HEAD alone\n"
        if self._token and not self._borne(request):
            return 401, TEXT, b"say Authorization: Bearer TOKEN, with that of `metrics.token_file`\n"
        return self._page(line["target"].decode("latin-1"))

    def _borne(self, request: bytes) -> bool:
        header = re.search(rb"(?i)\nauthorization:[ \t]*bearer[ \t]+([^\r\n]*)", request)
        return header is not None and hmac.compare_digest(header[1].strip(), self._token)

    def _page(self, target: str) -> Answer:
        if target == "/metrics":
            from streamd.metrics.exposition import expose  # noqa: PLC0415  only those who scrape pay for its import

            return 200, PROMETHEUS, expose(self._metrics)
        if target == "/livez":
            return _probe(health.wedged(self._metrics))
        if target == "/readyz":
            return _probe(health.unready(self._metrics))
        if target == "/status":
            return 200, "application/json", json.dumps(health.status(self._metrics), indent=2).encode() + b"\n"
        return 404, TEXT, b"there are /metrics, /livez, /readyz and /status\n"

    def _welcome(self, stop: Stop) -> None:
        try:
            connection, _ = self._socket.accept()
        except BlockingIOError:  # it has hung up again
            return
        except OSError:  # no file descriptor is left; one may be soon
            stop.wait(POLL_S)
            return
        if len(self._guests) >= MAX_CONNECTIONS:
            self._dismiss(next(iter(self._guests.values())))
        connection.setblocking(False)
        guest = self._guests[connection] = Guest(connection, time.monotonic() + self._request_s)
        self._selector.register(connection, selectors.EVENT_READ, guest)

    def _attend(self, guest: "Guest") -> None:
        """Read, or write, as much as goes without waiting."""
        try:
            if guest.hear():
                guest.reply = _message(guest.heard, *self.answer(guest.heard))
                self._selector.modify(guest.connection, selectors.EVENT_WRITE, guest)
            ended = guest.say()
        except OSError:  # whatever befell the client
            ended = True
        if ended:
            self._dismiss(guest)

    def _dismiss(self, guest: "Guest") -> None:
        del self._guests[guest.connection]
        self._selector.unregister(guest.connection)
        guest.connection.close()


class Guest:
    """One connection: what it has said so far, then what is still to be said to it."""

    def __init__(self, connection: socket.socket, deadline: float) -> None:
        self.connection = connection
        self.deadline = deadline
        self.heard = b""
        self.reply: bytes | None = None

    def hear(self) -> bool:
        """Read; true when that completes the head of a request.

        Raises:
            ConnectionError: the other end has nothing more to say.
        """
        if self.reply is not None:
            return False
        with suppress(BlockingIOError):
            part = self.connection.recv(MAX_REQUEST)
            if not part:
                raise ConnectionAbortedError
            self.heard += part
        return b"\r\n\r\n" in self.heard or b"\n\n" in self.heard or len(self.heard) >= MAX_REQUEST

    def say(self) -> bool:
        """Write what is left of the reply; true when nothing is."""
        if self.reply is None:
            return False
        with suppress(BlockingIOError):
            self.reply = self.reply[self.connection.send(self.reply) :]
        return not self.reply


def _message(request: bytes, code: int, kind: str, body: bytes) -> bytes:
    head = (
        f"HTTP/1.1 {code} {REASONS[code]}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
        "Cache-Control: no-store\r\nConnection: close\r\n"
    )
    head += "WWW-Authenticate: Bearer\r\n\r\n" if code == 401 else "\r\n"
    return head.encode() + (b"" if request.startswith(b"HEAD ") else body)


def _probe(ailments: list[str]) -> Answer:
    return (503, TEXT, "\n".join([*ailments, ""]).encode()) if ailments else (200, TEXT, b"ok\n")
