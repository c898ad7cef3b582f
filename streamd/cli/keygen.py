"""`streamd keygen`: a pair of CURVE keys, for a daemon or for a client of one."""

from pathlib import Path

import click

SAID = """\
{public}: {key}
{secret}: for its owner alone

of a daemon, in its configuration:   curve_secret_key_file: {secret}
            its clients need         --server-key {public}
of a client, for its commands:       --secret-key {secret}
            its daemon needs         the line of {public} in its `curve_client_keys_file`"""


@click.command(name="keygen")
@click.argument("name", type=click.Path(path_type=Path))
def command(name: Path) -> None:
    """Write a pair of CURVE keys: NAME.secret, which only you can read, and NAME.public.

    Nothing is ever overwritten.
    """
    from streamd.client.keys import write_pair  # noqa: PLC0415 - `streamd --help` must not load ZeroMQ

    secret, public = write_pair(name)
    click.echo(SAID.format(secret=secret, public=public, key=public.read_text().strip()))
