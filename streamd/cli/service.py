"""`streamd service install`: the systemd unit of this installation, written and explained."""

import os
import sys
from pathlib import Path

import click


@click.group(name="service")
def command() -> None:
    """Install the daemon as a systemd service."""


@command.command()
@click.option("--user", is_flag=True, help="A service of your own, without root.")
@click.option("--template", is_flag=True, help="streamd@NAME for several daemons; each reads /etc/streamd/NAME.yaml.")
@click.option("--config", type=click.Path(path_type=Path), help="The configuration file, elsewhere than in its place.")
@click.option(
    "--credential", "credentials", multiple=True, metavar="NAME:PATH", help="A secret to load; may be repeated."
)
@click.option("--folder", type=click.Path(path_type=Path), help="Where to write it, elsewhere than in its place.")
@click.option("--print", "shown", is_flag=True, help="Print the unit and write nothing.")
@click.option("--force", is_flag=True, help="Replace a unit that says otherwise.")
def install(
    user: bool,
    template: bool,
    config: Path | None,
    credentials: tuple[str, ...],
    folder: Path | None,
    shown: bool,
    force: bool,
) -> None:
    """Write the unit, say what it does, and what to do next. Nothing is started."""
    from streamd import service  # noqa: PLC0415 - `streamd --help` loads no more than it shows

    if template and (user or config):
        raise click.UsageError("--template goes with neither --user nor --config")
    kind: service.Kind = "user" if user else "template" if template else "system"
    program = Path(sys.executable).with_name("streamd")
    if not program.exists():
        raise click.UsageError(f"{program} is not there: run this with the streamd that is installed")
    made = service.unit(kind, program, Path.cwd() / config if config else None, credentials)
    if shown:
        click.echo(made.text, nl=False)
        return
    home = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    place = config or {"user": home / "streamd/streamd.yaml", "template": Path("/etc/streamd/NAME.yaml")}.get(kind)
    place = place or Path(service.CONFIGS["system"])
    units = home / "systemd/user" if user else Path("/etc/systemd/system")
    path, new = service.write(made, folder or units, None if folder else place.parent, force=force)
    click.echo(f"{path}: {'written' if new else 'is there already'}\n")
    for key, meaning in made.meanings():
        click.echo(f"  {key:<24} {meaning}")
    systemctl = "systemctl --user" if user else "systemctl"
    name = "streamd@NAME" if template else "streamd"
    click.echo(f"\nnext: write {place}, then\n")
    click.echo(f"  {systemctl} daemon-reload && {systemctl} enable --now {name}")
    click.echo(f"  {systemctl} status {name}; journalctl {'--user ' if user else ''}-u {name}")
