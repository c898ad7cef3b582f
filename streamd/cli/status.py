"""`streamd status`: how a daemon's cameras are, once or for as long as one looks."""

import json
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from streamd.cli import where as places

if TYPE_CHECKING:
    from streamd.cli.where import Pages

EVERY_S = 1.0
ALTERNATE, NORMAL, HOME, CLEAR_LINE, CLEAR_REST = (
    "\x1b[?1049h\x1b[?25l",
    "\x1b[?25h\x1b[?1049l",
    "\x1b[H",
    "\x1b[K",
    "\x1b[J",
)


@click.command(name="status")
@click.argument("where", default=places.DEFAULT)
@click.option("--once", is_flag=True, help="Print it once, also on a terminal.")
@click.option("--json", "as_json", is_flag=True, help="Print the status page as it came.")
@click.option("--token-file", type=click.Path(path_type=Path), help="File with the token that the daemon wants.")
def command(where: str, once: bool, as_json: bool, token_file: Path | None) -> None:
    """Show the cameras of the daemon WHERE, every second until Ctrl-C; once where it is no terminal.

    WHERE is ADDRESS:PORT, as in `metrics.bind`, or a configuration file.
    """
    from streamd.client import pages, table  # noqa: PLC0415 - `streamd --help` must not load the rooms

    found = places.pages(where, token_file)
    if as_json:
        click.echo(json.dumps(pages.status(*found), indent=2))
    elif once or not sys.stdout.isatty():
        for line in table.lines(
            pages.status(*found), shutil.get_terminal_size().columns if sys.stdout.isatty() else 1000
        ):
            click.echo(line)
    else:
        pages.status(*found)  # whoever is not there is told of on the ordinary screen
        watch(found)


def watch(found: "Pages") -> None:
    """Draw the table over and over, on the terminal's other screen, until a signal."""
    from streamd.client import pages, table  # noqa: PLC0415 - see `command`
    from streamd.client.console import stop_on_signals  # noqa: PLC0415 - likewise
    from streamd.clock import StopGroup  # noqa: PLC0415 - likewise
    from streamd.errors import ClientError  # noqa: PLC0415 - likewise

    stop = StopGroup()
    stop_on_signals(stop)
    sys.stdout.write(ALTERNATE)
    try:
        while not stop.is_set():
            columns, rows = shutil.get_terminal_size()
            try:
                shown = table.lines(pages.status(*found), columns, rows - 1, colour=True)
            except ClientError as error:
                shown = [str(error)[:columns]]
            sys.stdout.write(HOME + "".join(f"{line}{CLEAR_LINE}\r\n" for line in shown) + CLEAR_REST)
            sys.stdout.flush()
            stop.wait(EVERY_S)
    finally:
        sys.stdout.write(NORMAL)
        sys.stdout.flush()
