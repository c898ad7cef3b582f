"""`streamd demo`: the daemon, a recorder and a subscriber, each the real command in a process of its own."""

import signal
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import click

CAMERA = "street"
SETTLE_S = 15.0  # what a process gets to end in once it was told to


@click.command(name="demo")
@click.option("--seconds", default=20.0, show_default=True, type=click.FloatRange(min=1), help="How long to run.")
@click.option(
    "--out",
    default=Path("recordings"),
    show_default=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for the recorded MP4.",
)
def command(seconds: float, out: Path) -> None:
    """Watch the bundled clip: detections are printed as they come, the annotated video is recorded."""
    from streamd import bundled  # noqa: PLC0415 - `streamd --help` does without

    config = bundled.folder("configs") / "demo.yaml"
    before = recordings(out)
    with ExitStack() as stack:
        recorder = start(stack, "record", "--camera", CAMERA, "--out", str(out))
        printer = start(stack, "subscribe", "--camera", CAMERA)
        daemon = start(stack, "serve", str(config), "--wait-for", "detections", "--wait-for", "video")
        try:
            failed = daemon.wait(seconds)
        except (subprocess.TimeoutExpired, KeyboardInterrupt):
            failed = 0
        for process in (printer, recorder, daemon):
            finish(process)
    if failed or daemon.returncode:
        raise click.ClickException(f"the daemon ended early with exit code {daemon.returncode}; its log stands above")
    recorded = recordings(out) - before
    if not recorded:
        raise click.ClickException(f"nothing was recorded in {out}; the log stands above")
    click.echo(f"\nrecorded with boxes drawn on it: {max(recorded).resolve()}")


def recordings(out: Path) -> set[Path]:
    """Return the recordings of the demo's camera; the later, the higher its name."""
    return set(out.glob(f"{CAMERA}-*.mp4"))


def start(stack: ExitStack, *arguments: str) -> "subprocess.Popen[bytes]":
    """Start a streamd command that ends, at the latest, with this one."""
    process = stack.enter_context(subprocess.Popen([sys.executable, "-m", "streamd", *arguments]))
    stack.callback(process.kill)
    return process


def finish(process: "subprocess.Popen[bytes]") -> None:
    """Tell a process to end and wait for it; one that does not is killed."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
    try:
        process.wait(SETTLE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
