"""`streamd bench`: the daemon against bare inference, in one run."""

import json
import os
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

if TYPE_CHECKING:
    from streamd.config import Config
    from streamd.publish import Sinks

MODEL = "bundled:street.onnx"
SOURCE = "bundled:street.mp4"
SUBSCRIBED_S = 15.0

Socket = Literal["detections", "video"]


@click.command(name="bench")
@click.argument("config", required=False, type=click.Path(path_type=Path))
@click.option("--model", help=f"A model file.  [default: {MODEL}]")
@click.option("--source", help=f"A URI or a video file, read as fast as it can be.  [default: {SOURCE}]")
@click.option("--device", default="cpu", show_default=True, help="cpu, or cuda:N: then the parts are measured, too.")
@click.option("--streams", default=1, show_default=True, type=click.IntRange(1, 256), help="How many of the source.")
@click.option("--pace", default="asap", show_default=True, type=click.Choice(["asap", "realtime"]))
@click.option("--preprocess", default="auto", type=click.Choice(["auto", "host", "hybrid", "device"]))
@click.option("--batch", default=1, show_default=True, type=click.IntRange(1, 256), help="Most frames in one run.")
@click.option("--threads", default=0, show_default=True, type=click.IntRange(0, 256), help="0: one a core.")
@click.option("--seconds", default=5.0, show_default=True, type=click.FloatRange(min=0.5), help="Of each side a round.")
@click.option("--rounds", default=5, show_default=True, type=click.IntRange(min=1))
@click.option("--subscriber", is_flag=True, help="Have a subscriber on this machine receive the detections, too.")
@click.option("--video", is_flag=True, help="Have a subscriber watch the annotated video, too.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(
    config: Path | None,
    model: str | None,
    source: str | None,
    device: str,
    streams: int,
    pace: str,
    preprocess: str,
    batch: int,
    threads: int,
    seconds: float,
    rounds: int,
    subscriber: bool,
    video: bool,
    as_json: bool,
) -> None:
    """Measure how much of a model's own speed reaches the sockets.

    With CONFIG its cameras and their one model are measured, otherwise one --model on one --source. Detections are
    published; whoever reads them here takes cores from the daemon, so readers are started only when asked for.
    """
    from streamd import log  # noqa: PLC0415 - `streamd --help` must not load the rooms
    from streamd.bench import bench  # noqa: PLC0415 - likewise
    from streamd.clock import SystemClock  # noqa: PLC0415 - likewise
    from streamd.gpubench import bench as device_bench  # noqa: PLC0415 - likewise
    from streamd.publish import open_sinks  # noqa: PLC0415 - likewise

    if config is not None and (model or source):
        raise click.UsageError("CONFIG names the model and the cameras: leave --model and --source out")
    log.setup("warning", "console")
    clock = SystemClock()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="streamd-bench-")))
        settings = (
            from_file(config, folder, video=video)
            if config
            else one_source(
                {
                    "path": absolute(model or MODEL),
                    "batch": batch,
                    "threads": threads,
                    "device": device,
                    "preprocess": preprocess,
                },
                {"uri": absolute(source or SOURCE), "pace": pace, "loop": True},
                streams,
                folder,
                video=video,
            )
        )
        sink = stack.enter_context(open_sinks(settings.publish, clock))
        if subscriber:
            listen(stack, "subscribe", sink.endpoints["detections"], "--json")
        if video:
            camera = next(iter(settings.cameras))
            listen(stack, "record", sink.endpoints["video"], "--camera", camera, "--out", str(folder / "recorded"))
        wanted: dict[Socket, bool] = {"detections": subscriber, "video": video}
        wait_for(sink, *(socket for socket, there in wanted.items() if there))
        used = {settings.models[camera.model].device for camera in settings.cameras.values()}
        measure, told = (bench, lines) if used == {"cpu"} else (device_bench, device_lines)
        report = asdict(measure(settings, sink, clock, seconds=seconds, rounds=rounds))
    click.echo(json.dumps(report) if as_json else told(report))


def one_source(model: dict[str, Any], camera: dict[str, Any], streams: int, folder: Path, *, video: bool) -> "Config":
    """Return the configuration of one model on a source, opened `streams` times."""
    from streamd import config as configuration  # noqa: PLC0415 - likewise

    tree = {
        "models": {"bench": model},
        "cameras": {f"bench-{number}": camera | {"model": "bench"} for number in range(streams)},
        "publish": sockets(folder, video=video),
    }
    return configuration.parse(json.dumps(tree).encode(), folder / "bench.yaml", {})


def from_file(path: Path, folder: Path, *, video: bool) -> "Config":
    """Return a configuration as it stands in its file, publishing to sockets of the benchmark's own."""
    from streamd import config as configuration  # noqa: PLC0415 - likewise

    settings = configuration.load(path, os.environ)
    publish = configuration.Publish.model_validate(sockets(folder, video=video))
    return settings.model_copy(update={"publish": publish, "metrics": None})


def sockets(folder: Path, *, video: bool) -> dict[str, Any]:
    """Return a publish section that disturbs nobody."""
    filmed = {"bind": f"ipc://{folder}/video"} if video else None
    return {"detections": {"bind": f"ipc://{folder}/detections"}, "video": filmed}


def absolute(place: str) -> str:
    """Return a file's absolute path, and any other URI as it is."""
    return place if ":" in place else str(Path(place).resolve())


def wait_for(sink: "Sinks", *sockets: Socket) -> None:
    """Wait until the commands that read along have subscribed."""
    from streamd.clock import StopGroup, SystemClock  # noqa: PLC0415 - likewise

    clock, pause = SystemClock(), StopGroup()
    deadline_ns = clock.monotonic_ns() + int(SUBSCRIBED_S * 1e9)
    while not all(sink.subscribers(socket) for socket in sockets):
        if clock.monotonic_ns() > deadline_ns:
            raise click.ClickException(f"nobody subscribed within {SUBSCRIBED_S:g} s")
        pause.wait(0.05)


def listen(stack: ExitStack, *arguments: str) -> None:
    """Start a streamd command that reads along, unseen, until the stack unwinds."""
    process = stack.enter_context(
        subprocess.Popen([sys.executable, "-m", "streamd", *arguments], stdout=subprocess.DEVNULL)
    )
    stack.callback(process.terminate)


def lines(report: dict[str, Any]) -> str:
    """Return the report as lines for people."""
    return "\n".join(
        (
            f"{report['model']}, {report['cameras']} camera(s), {report['rows_mean']:.1f} frames a run",
            f"  end to end  {report['end_to_end_fps']:8.1f} frames/s",
            f"  bare        {report['bare_fps']:8.1f} frames/s",
            f"  ratio       {report['ratio']:8.3f}   (rounds: {', '.join(f'{r:.3f}' for r in report['ratios'])})",
            *published(report),
        )
    )


def published(report: dict[str, Any]) -> tuple[str, str]:
    """Return the lines that tell of what was published."""
    return (
        f"  latency     {report['latency_p50_ms']:.1f} ms p50, {report['latency_p95_ms']:.1f} p95, "
        f"{report['latency_p99_ms']:.1f} p99, capture to publication",
        f"  published   {report['published']} frames, {report['dropped']} dropped for newer ones",
    )


def device_lines(report: dict[str, Any]) -> str:
    """Return the report of a GPU as lines for people."""
    steps = (
        f"  {step['name']:<10}  {step['ms_per_run']:8.3f} ms a run, {step['us_per_frame']:8.1f} us a frame"
        + (f", {step['bytes_per_frame'] / 1e6:.2f} MB at {step['of_copy']:.2f} of a copy" * (step["of_copy"] > 0))
        for step in report["steps"]
    )
    return "\n".join(
        (
            f"{report['model']} on {report['device']}, {report['cameras']} camera(s), "
            f"{report['rows_mean']:.1f} frames a run",
            f"  end to end  {report['end_to_end_fps']:8.1f} frames/s",
            f"  decoding    {report['decode_fps']:8.1f} frames/s alone",
            f"  model       {report['run_fps']:8.1f} frames/s alone",
            f"  ratio       {report['ratio']:8.3f}   of the slower one",
            *published(report),
            f"  CPU {report['cpu_percent']:.0f} % of a core, GPU memory {report['gpu_memory_mb']:.0f} MB, "
            f"a copy moves {report['copy_gb_per_s']:.0f} GB/s",
            *steps,
        )
    )
