"""`streamd record`: a camera's annotated video as MP4 files."""

from pathlib import Path

import click

from streamd.units import parse_seconds


def duration(_context: click.Context, _option: click.Parameter, value: str | None) -> float | None:
    """Read an option such as 90s, or 5m."""
    if value is None:
        return None
    try:
        seconds = parse_seconds(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error
    if seconds <= 0:
        raise click.BadParameter(f"{value} is no time at all; write one such as 60s")
    return seconds


@click.command(name="record")
@click.argument("endpoint", default="tcp://127.0.0.1:5556")
@click.option("--camera", required=True, help="The camera's name in the daemon's configuration.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder for the files; made when missing.")
@click.option("--seconds", callback=duration, help="End so long after the first frame, such as 90s.")
@click.option("--segment", default="60s", show_default=True, callback=duration, help="Begin a new file so often.")
@click.option(
    "--server-key",
    type=click.Path(path_type=Path),
    help="File with the daemon's public CURVE key, where its socket is encrypted.",
)
@click.option(
    "--secret-key",
    type=click.Path(path_type=Path),
    help="File with your own secret CURVE key, as `streamd keygen` writes it, where the daemon has a list of clients.",
)
def command(
    endpoint: str,
    camera: str,
    out: Path,
    seconds: float | None,
    segment: float,
    server_key: Path | None,
    secret_key: Path | None,
) -> None:
    """Record a camera of the daemon at ENDPOINT until Ctrl-C; print each file's path when it is complete."""
    from streamd.client import Recorder  # noqa: PLC0415 - `streamd --help` must not load ZeroMQ and FFmpeg
    from streamd.client.console import Patience, read_keys, stop_on_signals  # noqa: PLC0415 - likewise
    from streamd.clock import StopGroup, SystemClock  # noqa: PLC0415 - likewise

    with Recorder(endpoint, camera, out, segment, **read_keys(server_key, secret_key)) as recorder:
        stop = StopGroup()
        patience = Patience(recorder.subscriber, lambda text: click.echo(f"streamd: {text}", err=True), SystemClock())
        stop_on_signals(stop)
        for path in recorder.record(stop, seconds):
            patience.look()
            if path is not None:
                click.echo(path)
