"""`streamd schema`: print the JSON Schema of what streamd reads and writes."""

import json
from typing import Any

import click

KINDS = ("config", "detections", "event", "video", "manifest")


@click.command(name="schema")
@click.argument("kind", type=click.Choice(KINDS))
def command(kind: str) -> None:
    """Print the JSON Schema of the configuration file, of a message, or of a model's manifest."""
    click.echo(json.dumps(_schema(kind), indent=2))


def _schema(kind: str) -> dict[str, Any]:
    """Return the schema; imports only what it describes, for pydantic and numpy are slow to start."""
    if kind == "config":
        from streamd import config  # noqa: PLC0415

        return config.schema()
    if kind == "manifest":
        from streamd import manifest  # noqa: PLC0415

        return manifest.schema()
    from streamd import wire  # noqa: PLC0415

    return wire.schema(kind)
