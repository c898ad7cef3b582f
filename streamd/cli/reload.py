"""`streamd reload`: have a daemon read its configuration again, and say how that went."""

import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from streamd.cli import where as places
from streamd.errors import ClientError, ConfigError

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
    running = _daemon(config, pid)
    found = _pages(config, Path("/")) or _pages(config, Path(f"/proc/{running}/root"))
    before = _config(found, running)
    _tell(running)
    said = f"process {running} was told to read {config} again; its log says how that went"
    if found is None or before is None:
        _judge(config, said)
        click.echo(said)
    else:
        _await(found, before, running, wait_s)


def _daemon(config: Path, pid: int | None) -> int:
    """Return the process that is meant: the one that is named, or that runs the file.

    Raises:
        ClientError: it is no daemon, or not one.
    """
    from streamd.client import processes  # noqa: PLC0415 - `streamd --help` must not load the rooms

    if pid is not None:
        if not processes.is_daemon(pid):
            raise ClientError(f"process {pid} is no `streamd serve`", mend="`pgrep -af 'streamd serve'` shows them")
        return pid
    running = processes.serving(config)
    if len(running) != 1:
        raise ClientError(
            f"{len(running) or 'no'} daemons run {config}" + (f": {', '.join(map(str, running))}" if running else ""),
            mend="name one with --pid",
        )
    return running[0]


def _pages(config: Path, root: Path) -> "Pages | None":
    """Return where the daemon tells how it is; None where it does not, or not to us: its log alone tells.

    `root` is `/` as we see it, or as the daemon does: to the commands of ExecReload= systemd shows no credentials (252
    at least), but lets them look at what else runs as their user.
    """
    try:
        return places.pages(str(config), root=root)
    except (ClientError, ConfigError):
        return None


def _judge(config: Path, said: str) -> None:
    """Look at the file with our own eyes, where the daemon cannot be asked what it made of it."""
    from streamd import config as configuration  # noqa: PLC0415 - see `_daemon`

    try:
        configuration.load(config, os.environ)
    except ConfigError as error:
        raise ClientError(f"{said}; read from here, it has faults:\n{error}") from error


def _config(found: "Pages | None", pid: int) -> dict[str, Any] | None:
    """Return what the status page of the process says of its configuration; None where there is no such page."""
    from streamd.client import pages  # noqa: PLC0415 - see `_daemon`

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
