"""The `streamd` command: one small file a subcommand, imported only when it is the one called.

Each file exports a click command named `command`: it parses, loads what it needs, and calls one function of the
house. An error that a user can mend is printed as one line; its exit code is 1.
"""

import errno
import importlib
import os
import sys
from collections.abc import Sequence

import click

from streamd import __version__
from streamd.errors import StreamdError

COMMANDS = {
    "serve": "Run the daemon.",
    "check": "Check a configuration file.",
    "doctor": "Say what is there, what is missing, and what brings it.",
    "demo": "Run the bundled clip through the daemon, subscribe and record, all at once.",
    "subscribe": "Print detections and events as they come.",
    "record": "Record a camera's annotated video to MP4.",
    "status": "Show how a daemon's cameras are.",
    "reload": "Have a daemon read its configuration again.",
    "keygen": "Make keys for encrypted sockets.",
    "service": "Install the daemon as a systemd service.",
    "bench": "Measure the daemon against bare inference.",
    "eval": "Score models side by side.",
    "calibrate": "Gather the ranges that INT8 needs, from pictures or cameras.",
    "sensitivity": "Tell which parts of a model INT8 hurts.",
    "quantize": "Make INT8 files of a model, and report what they are worth.",
    "harden": "Make a model that INT8 ruins, to try repairs on.",
    "lint": "Check a quantized model for what hurts.",
    "build": "Build a TensorRT engine of a model.",
    "scenes": "Draw procedural street scenes: a data set, or a clip.",
    "schema": "Print the JSON Schema of a message or a file.",
}
EXTRAS = {"onnx": "toolchain", "faster_coco_eval": "toolchain", "torch": "train"}  # what a module comes with


class LazyGroup(click.Group):
    """A group that knows its commands' names and summaries without importing them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names, in the order that a newcomer needs them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return one command."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"streamd.cli.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the table of commands without importing any of them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Name the commands there are when the one asked for is not among them."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            ctx.fail(f"no command {args[0]!r}; there are {', '.join(COMMANDS)}")
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> object:
        """Run a command; a mendable error becomes one line on stderr and exit code 1."""
        try:
            return super().invoke(ctx)
        except StreamdError as error:
            from streamd import uri  # noqa: PLC0415 - only errors pay for it

            click.echo(f"streamd: {uri.redact(str(error))}", err=True)
            ctx.exit(1)
        except ModuleNotFoundError as error:
            if error.name not in EXTRAS:
                raise
            click.echo(f"streamd: {error.name} is not installed; pip install 'streamd[{EXTRAS[error.name]}]'", err=True)
            ctx.exit(1)
        except OSError as error:  # of a pipe that nobody reads click takes care
            if error.errno != errno.ENOSPC:
                raise
            sys.stdout = None  # what it still holds cannot be written either
            click.echo(f"streamd: cannot write the output: {error.strerror}; make room", err=True)
            ctx.exit(1)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="streamd")
def group() -> None:
    """Watch cameras, tell what is on them, and make the INT8 models that do it.

    Shell completion: eval "$(_STREAMD_COMPLETE=bash_source streamd)", likewise zsh_source and fish_source.
    """


def main(args: Sequence[str] | None = None) -> None:
    """Run the command line."""
    open_standard_streams()
    group(args=args, prog_name="streamd")


def open_standard_streams() -> None:
    """Let what was closed at the start lead nowhere: else the next file or socket would take its number."""
    for number, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, mode, closefd=False))  # noqa: SIM115 - open until the end
