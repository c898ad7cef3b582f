"""`streamd subscribe`: what a daemon sees, a line a message."""

import os
import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from streamd import wire
    from streamd.client import Gap, Subscriber

TICK_S = 0.2  # how soon a signal is seen
SHOWN = 8  # objects on a line; --json has them all
YEAR_9999_S = 253_402_300_799


@click.command(name="subscribe")
@click.argument("endpoint", default="tcp://127.0.0.1:5555")
@click.option("--camera", "cameras", multiple=True, help="Only this camera. May be repeated.")
@click.option("--count", type=click.IntRange(min=1), help="End after so many messages.")
@click.option("--json", "as_json", is_flag=True, help="Print each message exactly as on the wire, one a line.")
@click.option(
    "--server-key",
    type=click.Path(path_type=Path),
    help="File with the daemon's public CURVE key, where its socket is encrypted.",
)
@click.option(
    "--secret-key",
    type=click.Path(path_type=Path),
    help="File with your own secret CURVE key, as `streamd keygen` writes it, where the daemon has a list of clients.",
)
def command(
    endpoint: str,
    cameras: tuple[str, ...],
    count: int | None,
    as_json: bool,
    server_key: Path | None,
    secret_key: Path | None,
) -> None:
    """Print detections and events of the daemon at ENDPOINT as they come, until Ctrl-C."""
    from streamd.client import Subscriber  # noqa: PLC0415 - `streamd --help` must not load ZeroMQ
    from streamd.client.console import read_keys  # noqa: PLC0415 - likewise

    with Subscriber(endpoint, cameras or None, on_gap=tell, **read_keys(server_key, secret_key)) as subscriber:
        try:
            follow(subscriber, count, as_json)
        except BrokenPipeError:  # whoever read our lines has seen enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def follow(subscriber: "Subscriber", count: int | None, as_json: bool) -> None:
    """Print messages until a signal, or until `count` of them are printed."""
    from streamd.client import Video  # noqa: PLC0415 - see `command`
    from streamd.client.console import Patience, stop_on_signals  # noqa: PLC0415 - likewise
    from streamd.clock import StopGroup, SystemClock  # noqa: PLC0415 - likewise

    stop, out = StopGroup(), sys.stdout.buffer
    patience = Patience(subscriber, lambda text: click.echo(f"streamd: {text}", err=True), SystemClock())
    stop_on_signals(stop)
    printed = 0
    while not stop.is_set() and (count is None or printed < count):
        message = subscriber.receive(TICK_S)
        if message is None or isinstance(message, Video):
            patience.look()
            continue
        out.write((json_line(subscriber.raw) if as_json else line(message).encode()) + b"\n")
        out.flush()
        printed += 1


def json_line(raw: bytes) -> bytes:
    """Return a message as one line of JSON: as it came, unless it came as MessagePack or on several lines."""
    import msgspec  # noqa: PLC0415 - see `command`

    if raw.startswith(b"{") and b"\n" not in raw:
        return raw
    message = msgspec.json.decode(raw) if raw.startswith(b"{") else msgspec.msgpack.decode(raw)
    return msgspec.json.encode(message)


def line(message: "wire.Detections | wire.Event") -> str:
    """Return a message as a line for people: local time, camera, and what there is to say."""
    from streamd import wire  # noqa: PLC0415 - see `command`

    if isinstance(message, wire.Event):
        text = f"{clock_time(message.at_ns)}  {message.camera}  {message.kind}  {message.reason}"
    else:
        delay_ms = (message.published_at_ns - message.captured_at_ns) / 1e6
        shown = "  ".join(map(describe, message.detections[:SHOWN])) or "nothing"
        more = f"  and {len(message.detections) - SHOWN} more" if len(message.detections) > SHOWN else ""
        head = f"{clock_time(message.captured_at_ns)}  {message.camera}  #{message.seq:<6} {delay_ms:6.1f} ms"
        text = f"{head}  {shown}{more}"
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text.rstrip())


def describe(found: "wire.Detection") -> str:
    """Return one object: what, how sure, where."""
    return f"{found.label} {100 * found.score:.0f}% [{' '.join(f'{each:.0f}' for each in found.box)}]"


def clock_time(at_ns: int) -> str:
    """Return a UNIX time as hours to milliseconds of the local day."""
    seconds, rest_ns = divmod(min(max(at_ns, 0), YEAR_9999_S * 10**9), 10**9)
    return f"{datetime.fromtimestamp(seconds):%H:%M:%S}.{rest_ns // 10**6:03d}"


def tell(gap: "Gap") -> None:
    """Say on stderr that frames are missing."""
    click.echo(f"streamd: {gap.camera}: {gap.missing} frames missing before #{gap.before}", err=True)
