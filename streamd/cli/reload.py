"""`streamd reload`: have a daemon read its configuration again, and say how that went."""

import errno
import os
import select
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from streamd.cli import where as places
from streamd.errors import ClientError, ConfigError

if TYPE_CHECKING:
    from streamd.cli.where import Pages

TICK_S = 0.1  # between two looks at the status page


@click.command(name="reload")
@click.argument("config", type=click.Path(path_type=Path))
@click.option("--pid", type=click.IntRange(min=1), help="The daemon, where it is not found by its file.")
@click.option("--wait", "wait_s", default=60.0, show_default=True, help="Seconds to wait for the outcome.")
def command(config: Path, pid: int | None, wait_s: float) -> None:
    """Send SIGHUP to the daemon that runs CONFIG, and wait until it has applied the file, or refused it.

    Exits with 1 when the file was refused: the daemon goes on as before.
    """
    from streamd.client import processes  # noqa: PLC0415 - `streamd --help` must not load the rooms

    running = _daemon(config, pid)
    environment = processes.environment(running) or os.environ
    roots = (Path("/"), Path(f"/proc/{running}/root"))
    found = next(filter(None, (_pages(config, root, environment) for root in roots)), None)
    before = _config(found, running)
    said = f"process {running} was told to read {config} again; its log says how that went"
    with _told(running) as handle:
        if found is None or before is None:
            _judge(config, environment, said)
            click.echo(said)
        else:
            _await(found, before, running, handle, wait_s)


def _daemon(config: Path, pid: int | None) -> int:
    """Return the process that is meant: the one that is named, or that runs the file.

    Raises:
        ClientError: it is no daemon, or not one.
    """
    from streamd.client import processes  # noqa: PLC0415 - see `command`

    if pid is not None:
        if not processes.is_daemon(pid):
            raise ClientError(f"process {pid} is no `streamd serve`", mend="`pgrep -af 'streamd serve'` shows them")
        return pid
    if not os.path.exists(config):  # noqa: PTH110 - false also where we may not look
        raise ClientError(f"{config}: no such file", mend="give the one that the daemon runs, or name it with --pid")
    running = processes.serving(config)
    if len(running) != 1:
        raise ClientError(
            f"{len(running) or 'no'} daemons run {config}" + (f": {', '.join(map(str, running))}" if running else ""),
            mend="name one with --pid",
        )
    return running[0]


def _pages(config: Path, root: Path, environment: Mapping[str, str]) -> "Pages | None":
    """Return where the daemon tells how it is; None where it does not, or not to us: its log alone tells.

    `root` is `/` as we see it, or as the daemon does. To the commands of ExecReload= systemd shows no credentials, or
    does not say where they are, but it lets them look at what else runs as their user.
    """
    try:
        return places.pages(str(config), root=root, environment=environment)
    except (ClientError, ConfigError):
        return None


def _judge(config: Path, environment: Mapping[str, str], said: str) -> None:
    """Look at the file with our own eyes, where the daemon cannot be asked what it made of it."""
    from streamd import config as configuration  # noqa: PLC0415 - see `command`

    try:
        configuration.load(config, environment)
    except ConfigError as error:
        raise ClientError(f"{said}; read from here, it has faults:\n{error}") from error


def _config(found: "Pages | None", pid: int) -> dict[str, Any] | None:
    """Return what the status page of the process says of its configuration; None where there is no such page."""
    from streamd.client import pages  # noqa: PLC0415 - see `command`

    if found is None:
        return None
    try:
        status = pages.status(*found)
    except ClientError:
        return None
    return dict(status["config"]) if status.get("pid") == pid and "config" in status else None


@contextmanager
def _told(pid: int) -> Iterator[int | None]:
    """Send the signal; give a handle of the process (pidfd_open(2)), which no later process of that number shares.

    None where there are no handles.
    """
    handle = _handle(pid)
    try:
        try:
            if handle is None:
                os.kill(pid, signal.SIGHUP)
            else:
                signal.pidfd_send_signal(handle, signal.SIGHUP)
        except ProcessLookupError as error:
            raise _gone(pid, error) from error
        except OSError as error:
            raise ClientError(
                f"cannot tell process {pid}: {error.strerror}", mend="run this as its user, or root"
            ) from error
        yield handle
    finally:
        if handle is not None:
            os.close(handle)


def _handle(pid: int) -> int | None:
    """Return a handle; None on Linux before 5.3, of a Python that was built on such, or where a container forbids it.

    Raises:
        ClientError: there is no such process.
    """
    if not hasattr(os, "pidfd_open"):
        return None
    try:
        return os.pidfd_open(pid)
    except OSError as error:
        if error.errno in (errno.ENOSYS, errno.EPERM):
            return None
        raise _gone(pid, error) from error


def _gone(pid: int, error: OSError) -> ClientError:
    return ClientError(f"cannot find process {pid}: {error.strerror}", mend="has it ended?")


def _await(found: "Pages", before: dict[str, Any], pid: int, handle: int | None, wait_s: float) -> None:
    """Say how it went, as the daemon's status page has it.

    Nothing announces a reload to others: its event tells of cameras that changed, and of a refusal there is none. So
    the page is looked at again and again; what is waited for in between is the one thing that would make it vain, the
    daemon's end.
    """
    from streamd.client import processes  # noqa: PLC0415 - see `command`

    ended = select.poll()
    if handle is not None:
        ended.register(handle, select.POLLIN)
    deadline = time.monotonic() + wait_s
    while time.monotonic() < deadline:
        now = _config(found, pid)
        if now is not None and now["refused"] > before["refused"]:
            raise ClientError(f"refused, the old configuration stays: {now['refused_because']}")
        if now is not None and now["accepted"] > before["accepted"]:
            click.echo(f"reloaded: configuration {now['generation']} is in force")
            return
        if ended.poll(TICK_S * 1000) or (handle is None and not processes.is_daemon(pid)):
            raise ClientError(f"process {pid} has ended", mend="look at its log")
    raise ClientError(f"process {pid} has not said within {wait_s:g} s how it went", mend="look at its log")
