"""The pages that a daemon serves over HTTP, as its `metrics` section says.

Whoever listens there may be somebody else, or be stuck: what is read has bounds in time and length, and its shape is
looked at before anybody relies on it.
"""

import json
import re
import socket
import time
from http import HTTPStatus
from typing import Any, Required, TypedDict

import msgspec

from streamd import uri
from streamd.errors import ClientError

TIMEOUT_S = 3.0  # for all of it, but a name's resolution
MAX_BYTES = 1 << 24  # a status of a thousand cameras is a thirtieth
CHUNK = 1 << 16

_PLACE = re.compile(r"(?P<host>\[[^\]\s]+\]|[^:\[\]/\s]+):(?P<port>[0-9]{1,5})", re.ASCII)
_PHRASES = {int(each): each.phrase for each in HTTPStatus}  # the server's own words may hold anything
_HEAD = re.compile(rb"HTTP/1\.[01] (?P<code>[0-9]{3})[ \r][^\n]*\n")


class _Video(TypedDict):
    wanted: bool


class _Camera(TypedDict):
    state: str
    reason: str
    last_frame_age_s: float | None
    fps: float
    latency_mean_ms: float
    decoded: int
    corrupt: int
    dropped: dict[str, int]
    reconnects: dict[str, int]
    video: _Video


class _Model(TypedDict):
    frames: int
    rows_mean: float
    stage_mean_ms: dict[str, float]


class _Config(TypedDict):
    generation: int
    accepted: int
    refused: int
    refused_because: str


class _Status(TypedDict, total=False):
    """What is relied on of a status page; metrics/health.py writes it."""

    version: str
    pid: int
    uptime_s: float
    live: bool
    ready: bool
    config: _Config
    subscriptions: dict[str, int]
    gpu_memory_bytes: dict[str, int]
    cameras: Required[dict[str, _Camera]]
    models: dict[str, _Model]


def status(where: str, token: str = "") -> dict[str, Any]:
    """Return the status page of the daemon at ADDRESS:PORT, as it came.

    Raises:
        ClientError: nobody answers there, or not as a daemon does.
    """
    heard = _ask(where, token)
    head = _HEAD.match(heard)
    if head and int(head["code"]) != HTTPStatus.OK:
        code = int(head["code"])
        said = f"{where} answers {code} {_PHRASES.get(code, '')}".rstrip()
        raise ClientError(
            said, mend="give --token-file FILE" if code == HTTPStatus.UNAUTHORIZED else "is that streamd?"
        )
    body = re.split(rb"\r?\n\r?\n", heard, maxsplit=1)[-1] if head else b""
    try:
        msgspec.json.decode(body, type=_Status)
        found: dict[str, Any] = json.loads(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ClientError(f"{where} answers, but not as a daemon does", mend="is that streamd?") from error
    return found


def _ask(where: str, token: str) -> bytes:
    """Return all that is answered to a request for the status."""
    place = _PLACE.fullmatch(where)
    if not place or int(place["port"]) > 65535:
        raise ClientError(
            f"{uri.redact(where)!r} is no address",
            mend="write ADDRESS:PORT such as 127.0.0.1:9464, or the file of a configuration",
        )
    bearer = f"Authorization: Bearer {token}\r\n" if token else ""
    try:
        return _hear(
            (place["host"].strip("[]"), int(place["port"])), f"GET /status HTTP/1.0\r\nHost: {where}\r\n{bearer}\r\n"
        )
    except (OSError, UnicodeError) as error:
        raise ClientError(
            f"nobody answers at {where}: {getattr(error, 'strerror', None) or error}",
            mend="is the daemon running, and `metrics:` in its configuration?",
        ) from error


def _hear(place: tuple[str, int], request: str) -> bytes:
    deadline = time.monotonic() + TIMEOUT_S
    heard = b""
    with _connected(place, deadline) as connection:
        connection.settimeout(_left_s(deadline))
        connection.sendall(request.encode())
        while len(heard) <= MAX_BYTES:
            connection.settimeout(_left_s(deadline))  # whoever sends now and then never has `recv` wait so long
            part = connection.recv(CHUNK)
            if not part:
                break
            heard += part
    if not heard:
        raise ConnectionAbortedError(0, "it hangs up without a word")
    return heard


def _connected(place: tuple[str, int], deadline: float) -> socket.socket:
    """Connect to the first address of a name that answers; each has its share of the time that is left.

    How long the name itself may take to resolve is the resolver's (resolv.conf(5)): no call of it bears a time limit.
    """
    found = socket.getaddrinfo(*place, type=socket.SOCK_STREAM)
    failed: OSError | None = None
    for sharing, (family, kind, protocol, _, address) in zip(range(len(found), 0, -1), found, strict=True):
        connection = socket.socket(family, kind, protocol)
        try:
            connection.settimeout(_left_s(deadline) / sharing)
            connection.connect(address)
        except OSError as error:
            connection.close()
            failed = error
        else:
            return connection
    raise failed or OSError("it has no address")


def _left_s(deadline: float) -> float:
    left_s = deadline - time.monotonic()
    if left_s <= 0:
        raise TimeoutError("timed out")
    return left_s
