"""`streamd serve`: the daemon in the foreground, as systemd and terminals want it."""

import faulthandler
import os
import signal
from pathlib import Path
from typing import Literal

import click


@click.command(name="serve")
@click.argument("config", type=click.Path(path_type=Path))
@click.option(
    "--wait-for",
    multiple=True,
    type=click.Choice(["detections", "video"]),
    help="Hold the cameras until this socket has a subscriber, so that it sees their first frame. May be repeated.",
)
def command(config: Path, wait_for: tuple[Literal["detections", "video"], ...]) -> None:
    """Run the daemon on CONFIG until its sources end or a signal ends it.

    \b
    SIGTERM, SIGINT  stop the cameras, drain, exit 0; a second one leaves at once
    SIGHUP           read CONFIG again and apply the cameras and models that changed
    """  # noqa: D301 - click reads the sign \b, and passes over the two of a raw string
    # before any thread is there: the pools that NumPy starts when it is imported would take a signal, and die of it
    signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM, signal.SIGINT, signal.SIGHUP))

    faulthandler.enable()  # whoever aborts it, as systemd's watchdog does, or a library, finds in the log where it was

    from streamd.serve import serve  # noqa: PLC0415 - `streamd --help` must not load the rooms

    serve(config, os.environ, frozenset(wait_for))
