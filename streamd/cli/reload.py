"""`streamd reload`: have a daemon read its configuration again, and say how that went."""

import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from streamd.cli import where as places
from streamd.errors import ClientError, ConfigError, StreamdError

if TYPE_CHECKING:
    from streamd.cli.where import Pages

TICK_S = 0.1


@click.command(name="reload")
@click.argument("config", type=click.Path(path_type=Path))
@click.option("--pid", type=click.IntRange(min=1), help="The daemon, where it is not found by its file.")
@click.option("--wait", "wait_s", default=60.0, show_default=True, help="Seconds to wait for the outcome.")
def command(config: Path, pid: int | None, wait_s: float) -> None:
    """Send SIGHUP to the daemon that runs CONFIG, and wait until it has applied the file, or refused it.

    Exits with 1 when the file was refused: the daemon goes on as before.
    """
    from streamd.client.processes import serving  # noqa: PLC0415 - `streamd --help` must not load the rooms

    faults: StreamdError | None = None
    found: Pages | None = None
    try:
        found = places.pages(str(config))
    except ClientError:
        pass  # it serves no pages: its log alone tells
    except ConfigError as error:
        faults = error
    running = [pid] if pid else serving(config)
    if len(running) != 1:
        raise ClientError(
            f"{len(running) or 'no'} daemons run {config}" + (f": {', '.join(map(str, running))}" if running else ""),
            mend="name one with --pid",
        )
    before = _config(found, running[0])
    _tell(running[0])
    if faults is not None:
        raise faults
    if found is None or before is None:
        click.echo(f"process {running[0]} was told to read {config} again; its log says how that went")
    else:
        _await(found, before, running[0], wait_s)


def _config(found: "Pages | None", pid: int) -> dict[str, Any] | None:
    """Return what the status page of the process says of its configuration; None where there is no such page."""
    from streamd.client import pages  # noqa: PLC0415 - see `command`

    if found is None:
        return None
    try:
        status = pages.status(*found)
    except ClientError:
        return None
    return dict(status["config"]) if status.get("pid") == pid else None


def _tell(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGHUP)
    except OSError as error:
        raise ClientError(
            f"cannot tell process {pid}: {error.strerror}", mend="run this as its user, or root"
        ) from error


def _await(found: "Pages", before: dict[str, Any], pid: int, wait_s: float) -> None:
    deadline = time.monotonic() + wait_s
    while time.monotonic() < deadline:
        now = _config(found, pid)
        if now is not None and now["refused"] > before["refused"]:
            raise ClientError(f"refused, the old configuration stays: {now['refused_because']}")
        if now is not None and now["accepted"] > before["accepted"]:
            click.echo(f"reloaded: configuration {now['generation']} is in force")
            return
        time.sleep(TICK_S)
    raise ClientError(f"process {pid} has not said within {wait_s:g} s how it went", mend="look at its log")
