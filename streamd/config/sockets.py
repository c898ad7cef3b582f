"""Where messages and metrics leave: addresses that cannot be bound, that collide, or that strangers reach."""

import ipaddress
import os
import re
from collections.abc import Iterator
from pathlib import Path

from streamd.config.faults import nearest
from streamd.config.files import locate, read_keys, secret_file, unwritable
from streamd.config.models import DetectionsSocket, Metrics, VideoSocket
from streamd.config.text import Fault, mapping, show, text_of
from streamd.errors import ConfigError
from streamd.yamlfile import KeyPath, Value

PRESETS = (
    "ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow",
    "p1", "p2", "p3", "p4", "p5", "p6", "p7",
)  # fmt: skip
IPC_BYTES = 107  # sun_path of Linux, less its terminating zero

_HOST = r"(?P<host>\[[^\]]+\]|[^:\[\]/\s]+)"
_TCP = re.compile(rf"tcp://{_HOST}:(?P<port>[0-9]{{1,5}}|\*)", re.ASCII)
_HTTP = re.compile(rf"{_HOST}:(?P<port>[0-9]{{1,5}})", re.ASCII)
_EVERYWHERE = {"*", "0.0.0.0", "[::]"}
_HERE = {"localhost", "127.0.0.1", "[::1]"}


def check_publish(tree: Value, base: Path) -> Iterator[Fault]:
    """Yield what is wrong with `publish` and `metrics`; `base` is the file's folder."""
    publish = mapping(tree, "publish")
    for name in ("detections", "video"):
        yield from _socket(("publish", name), mapping(publish, name), base)
    preset = text_of(mapping(publish, "video"), "preset")
    if preset and preset not in PRESETS:
        there = nearest(preset, PRESETS) or f"; there are {', '.join(PRESETS)}"
        yield Fault(("publish", "video", "preset"), f"there is no preset {preset!r}{there}")
    out = text_of(mapping(publish, "file"), "path")
    said = unwritable(locate(out, base)) if out else ""
    if out and out.startswith("bundled:"):
        said = "bundled: names what streamd brings, to be read; name a file of your own"
    if said:
        yield Fault(("publish", "file", "path"), said)
    yield from _metrics(mapping(tree, "metrics"), base, len(mapping(tree, "cameras")))
    yield from _collisions(tree)


def _socket(path: KeyPath, socket: dict[str, Value], base: Path) -> Iterator[Fault]:
    yield from _keys(path, socket, base)
    bind = text_of(socket, "bind")
    if not bind:
        return
    path = (*path, "bind")
    if bind.startswith("ipc://"):
        said = _ipc(bind.removeprefix("ipc://"))
        if said:
            yield Fault(path, said)
        return
    match = _TCP.fullmatch(bind)
    if not match or (match["port"] != "*" and int(match["port"]) > 65535):
        yield Fault(path, f"{bind!r} is no address; write tcp://127.0.0.1:5555 or ipc:///run/streamd/NAME.sock")
    elif not loopback(match["host"]) and socket.get("insecure") in (None, False):
        said = open_door(bool(socket.get("curve_secret_key_file")), bool(socket.get("curve_client_keys_file")))
        if said:
            yield Fault(path, f"other machines reach {match['host']}, and {said}")


def _keys(path: KeyPath, socket: dict[str, Value], base: Path) -> Iterator[Fault]:
    secret, clients = (text_of(socket, f"curve_{word}_file") for word in ("secret_key", "client_keys"))
    if secret:
        yield from secret_file((*path, "curve_secret_key_file"), locate(secret, base))
    if not clients:
        return
    path = (*path, "curve_client_keys_file")
    if not secret:
        yield Fault(path, "without a `curve_secret_key_file` nothing is encrypted, and nobody is asked for a key")
    try:
        if not read_keys(locate(clients, base)):
            yield Fault(path, f"{clients} holds no key yet: nobody can connect", "warning")
    except ConfigError as error:
        yield Fault(path, str(error))


def open_door(encrypted: bool, listed: bool) -> str:
    """Return what a socket that other machines reach lacks, and the mend; nothing where it lacks nothing."""
    if not encrypted:
        return "nothing is encrypted; bind 127.0.0.1, give a `curve_secret_key_file`, or write `insecure: true`"
    if not listed:
        return "whoever knows the public key is let in; give a `curve_client_keys_file`, or write `insecure: true`"
    return ""


def _ipc(text: str) -> str:
    if not text.startswith("/"):
        return f"{text!r} is no absolute path; write ipc:///run/streamd/NAME.sock"
    if len(os.fsencode(text)) > IPC_BYTES:
        return f"the path of a socket has {IPC_BYTES} bytes at most; write a shorter one"
    return unwritable(Path(text))


def _metrics(metrics: dict[str, Value], base: Path, cameras: int) -> Iterator[Fault]:
    token = text_of(metrics, "token_file")
    if token:
        yield from secret_file(("metrics", "token_file"), locate(token, base))
    ready = metrics.get("ready")
    if isinstance(ready, int) and ready > cameras > 0:
        yield Fault(("metrics", "ready"), f"there are {cameras} cameras; fewer may do, and more never come", "warning")
    bind = text_of(metrics, "bind")
    if not bind:
        return
    match = _HTTP.fullmatch(bind)
    if not match or int(match["port"]) > 65535:
        yield Fault(("metrics", "bind"), f"{bind!r} is no address; write 127.0.0.1:9464")
    elif not loopback(match["host"]) and not token and metrics.get("insecure") in (None, False):
        yield Fault(
            ("metrics", "bind"),
            f"other machines reach {match['host']} and may read all; bind 127.0.0.1, give a `token_file`, "
            "or write `insecure: true`",
        )


def _collisions(tree: Value) -> Iterator[Fault]:
    """Check that no two sockets have one address."""
    taken: list[tuple[str, str, KeyPath]] = []
    for path, bind in _binds(tree):
        match = _TCP.fullmatch(bind) or _HTTP.fullmatch(bind)
        host, port = (match["host"], match["port"]) if match else (bind, "")
        for other_host, other_port, other in taken:
            if port == other_port and port not in ("*", "0") and _overlap(host, other_host):
                yield Fault((*path, "bind"), f"is the address of `{show(other)}` too; give one of them another port")
        taken.append((host, port, path))


def _binds(tree: Value) -> Iterator[tuple[KeyPath, str]]:
    """Yield the address of every socket, written or default."""
    publish = mapping(tree, "publish")
    sockets = {"detections": DetectionsSocket().bind, "video": VideoSocket().bind}
    for name, default in sockets.items():
        if publish.get(name, {}) is not None:
            yield ("publish", name), text_of(publish.get(name), "bind") or default
    if mapping(tree).get("metrics") is not None:
        yield ("metrics",), text_of(mapping(tree, "metrics"), "bind") or Metrics().bind


def _overlap(host: str, other: str) -> bool:
    return host == other or bool({host, other} & _EVERYWHERE) or {host, other} <= _HERE


def loopback(host: str) -> bool:
    """Tell whether only this machine reaches `host`; an IPv6 address may stand in brackets."""
    try:
        return host == "localhost" or ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
