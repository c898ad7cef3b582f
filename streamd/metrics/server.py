"""A very small HTTP server: four pages, one request at a time, and no client can hold it for longer than a second."""

import json
import re
import socket
import time
from collections.abc import Iterator
from contextlib import suppress

from streamd.clock import Stop
from streamd.errors import PublishError
from streamd.metrics import health
from streamd.metrics.instruments import Metrics

REQUEST_S = 1.0  # for one request and its answer, all in all
POLL_S = 0.25  # how often the stop signal is looked at
MAX_REQUEST = 8192  # bytes
TEXT = "text/plain; charset=utf-8"
PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"
REASONS = {200: "OK", 400: "Bad Request", 404: "Not Found", 405: "Method Not Allowed", 503: "Service Unavailable"}

Answer = tuple[int, str, bytes]


class MetricsServer:
    """Serves /metrics, /livez, /readyz and /status. It starts no thread: somebody runs `serve` in one."""

    def __init__(self, bind: str, metrics: Metrics, request_s: float = REQUEST_S) -> None:
        """Bind ADDRESS:PORT; port 0 takes a free one, which `port` then tells. A request has `request_s` seconds.

        Raises:
            PublishError: the address cannot be bound.
        """
        host, _, port = bind.rpartition(":")
        host = host.strip("[]")
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._metrics = metrics
        self._request_s = request_s
        try:
            self._socket = socket.create_server((host, int(port)), family=family)
        except (OSError, OverflowError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise PublishError(
                f"metrics: {bind} cannot be bound: {reason}", mend="write another `metrics.bind`, or end what uses it"
            ) from error
        self._socket.settimeout(POLL_S)

    @property
    def port(self) -> int:
        """The port that is bound."""
        return int(self._socket.getsockname()[1])

    def serve(self, stop: Stop) -> Iterator[None]:
        """Answer requests until `stop`, then close. Yields nothing: a stage's feed, or a plain loop, drives it."""
        try:
            while not stop.is_set():
                try:
                    connection, _ = self._socket.accept()
                except TimeoutError:
                    continue
                except OSError:  # no file descriptor is left; one may be soon
                    stop.wait(POLL_S)
                    continue
                with connection, suppress(OSError):  # whatever befell the client
                    self._converse(connection)
        finally:
            self.close()
        yield from ()

    def close(self) -> None:
        """Give the port back; safe twice."""
        self._socket.close()

    def answer(self, request: bytes) -> Answer:
        """Return status, content type and body for the head of an HTTP request."""
        line = re.match(rb"(?P<method>[A-Z]+) (?P<target>/[^ ?]*)(\?[^ ]*)? HTTP/1\.[01]\r?\n", request)
        if not line:
            return 400, TEXT, b"not an HTTP request\n"
        if line["method"] not in (b"GET", b"HEAD"):
            return 405, TEXT, b"GET and HEAD alone\n"
        return self._page(line["target"].decode("latin-1"))

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

    def _converse(self, connection: socket.socket) -> None:
        deadline = time.monotonic() + self._request_s
        request = b""
        while b"\r\n\r\n" not in request and b"\n\n" not in request and len(request) < MAX_REQUEST:
            connection.settimeout(max(0.001, deadline - time.monotonic()))
            part = connection.recv(MAX_REQUEST)
            if not part:
                return
            request += part
        code, kind, body = self.answer(request)
        head = (
            f"HTTP/1.1 {code} {REASONS[code]}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
            "Cache-Control: no-store\r\nConnection: close\r\n\r\n"
        )
        connection.settimeout(max(0.001, deadline - time.monotonic()))
        connection.sendall(head.encode() + (b"" if request.startswith(b"HEAD ") else body))


def _probe(ailments: list[str]) -> Answer:
    return (503, TEXT, "\n".join([*ailments, ""]).encode()) if ailments else (200, TEXT, b"ok\n")
