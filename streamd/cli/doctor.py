"""`streamd doctor`: what is there, what is missing, and what brings it."""

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from streamd.checkup import Part

NAMES = 18  # columns


@click.command(name="doctor")
@click.argument("config", required=False, type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object: config, ok, parts.")
@click.pass_context
def command(ctx: click.Context, config: Path | None, as_json: bool) -> None:
    """Look at this machine and this installation: driver, GPUs, decoders, runtimes, clocks, limits.

    Every part is tried, not asked for. Exits with 0 when everything that CONFIG needs is there, and 1 when it is not;
    without CONFIG, what a default installation on a CPU needs. A part that nobody needs may be missing.
    """
    from streamd import config as configuration  # noqa: PLC0415 - `streamd --help` must not load it
    from streamd.doctor import needs, survey  # noqa: PLC0415 - likewise

    settings = None if config is None else configuration.load(config, os.environ)
    wanted = needs(settings)
    parts = []
    for part in survey(settings, os.environ):
        parts.append(part)
        if not as_json:
            click.echo(line(part, wanted))
    there = {part.name for part in parts if part.state == "ok"}
    lacking = [name for name in wanted if name not in there]
    if as_json:
        told = [asdict(part) | {"needed_by": wanted.get(part.name)} for part in parts]
        shown = None if config is None else str(config)
        click.echo(json.dumps({"config": shown, "ok": not lacking, "lacking": lacking, "parts": told}, indent=2))
    else:
        click.echo(verdict(lacking, wanted, str(config) if config else "streamd"))
    ctx.exit(1 if lacking else 0)


def line(part: "Part", wanted: dict[str, str]) -> str:
    """Return a part as one line: state, what, what was found, what brings it."""
    said = f"{part.state:<9}{part.name:<{NAMES}} {part.said}"
    if part.state == "ok":
        return said
    if part.name in wanted:
        said += f" (needed by {wanted[part.name]})"
    return f"{said}; {part.mend}" if part.mend else said


def verdict(lacking: list[str], wanted: dict[str, str], who: str) -> str:
    """Return the last line."""
    if not lacking:
        return f"all that {who} needs is there"
    named = (name if wanted[name] == "streamd" else f"{name} (needed by {wanted[name]})" for name in lacking)
    return f"{who} lacks {', '.join(named)}"
