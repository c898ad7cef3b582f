"""`streamd calibrate`: one pass over pictures, and the histograms that every method of quantization reads."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from streamd import manifest, output
from streamd.cli.bar import progress
from streamd.errors import DataError

if TYPE_CHECKING:
    from streamd.frames import F32, Picture
    from streamd.int8.calibrate import Calibration
    from streamd.int8.graph import Graph

CONFIGS = {".yaml", ".yml"}
PATIENCE_S = 60  # for a first or next frame of any camera
FRAMES = click.IntRange(0, 10_000_000)


def stretch(_context: click.Context, _option: click.Parameter, value: str) -> tuple[float, float]:
    """Return the two fractions of a stretch: 0:0.5 is the first half."""
    try:
        first, end = map(float, value.split(":"))
    except ValueError:
        first, end = 1, 0
    if not 0 <= first < end <= 1:
        raise click.BadParameter(f"{value!r}: write two fractions from 0 to 1, the smaller first, like 0:0.5")
    return first, end


@click.command("calibrate")
@click.argument("model", type=click.Path(path_type=Path))
@click.option(
    "--data",
    multiple=True,
    required=True,
    type=click.Path(path_type=Path),
    help="Pictures, videos, a folder, a list (.txt), TensorRT batch files, or cameras (a configuration, .yaml).",
)
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Writes OUT.npz and OUT.json.")
@click.option(
    "--frames", default=500, show_default=True, type=FRAMES, help="Most pictures, spread over the sources; 0 for all."
)
@click.option("--every", default=0, type=click.IntRange(0), help="Every n-th frame, instead of spreading them.")
@click.option(
    "--part", default="0:1", show_default=True, callback=stretch, metavar="FROM:TO", help="Which stretch of each file."
)
@click.option("--whole", is_flag=True, help="Observe the detection head too, as `quantize --whole` needs.")
def command(
    model: Path, data: tuple[Path, ...], out: Path, frames: int, every: int, part: tuple[float, float], whole: bool
) -> None:
    """Run pictures through MODEL, an ONNX file, and save what its tensors hold.

    Live cameras give every n-th frame, turn by turn, until there are enough.
    """
    from streamd import infer, log  # noqa: PLC0415 - the libraries take longer to import than `streamd --help` may
    from streamd.int8 import data as sources  # noqa: PLC0415
    from streamd.int8 import graph, saved  # noqa: PLC0415

    log.setup("warning", "console")
    output.tidy_when_told_to_end()
    for path in saved.paths(out):
        output.check_file(path, option="--out")
        if path.resolve() == manifest.beside(model).resolve():
            raise DataError(f"--out {out}: would replace {path.name}, the model's manifest", mend="name another file")
    ready = graph.load(model)
    backend = infer.load(model)
    spec = backend.manifest.input
    backend.close()
    cameras = [path for path in data if path.suffix.lower() in CONFIGS]
    found = sources.find(path for path in data if path not in cameras)

    def seen() -> "Iterator[Picture]":
        yield from sources.shown(found, frames, every, part)
        for path in cameras:
            yield from watched(path, frames or 500, every or 25)

    done = run(ready, sources.inputs(spec, seen(), found.batches), frames, whole=whole)
    written = saved.save(done, out)
    click.echo(
        f"{done.frames} frames, {len(done.histograms)} tensors: {' and '.join(map(str, written))} "
        f"(model {done.model_sha256[:12]}, data {done.data_sha256[:12]})"
    )


def run(graph: "Graph", inputs: "Iterable[F32]", frames: int, *, whole: bool) -> "Calibration":
    """Calibrate with a progress bar; `frames` is the most there can be, 0 where it is not known."""
    from streamd.int8 import calibrate  # noqa: PLC0415 - as above

    shown = 0
    with progress(frames, "calibrating") as advance:

        def count(done: int) -> None:
            nonlocal shown
            advance(done - shown)
            shown = done

        return calibrate.calibrate(graph, inputs, whole=whole, progress=count)


def watched(path: Path, frames: int, every: int) -> "Iterator[Picture]":
    """Yield `frames` pictures of the cameras of a configuration, every n-th of each, one camera after the other.

    Every camera runs in a thread of its own and keeps only its newest frame, so the pictures are spread over the time
    that it takes, and none waits. What ails a camera is told on stderr.

    Raises:
        ConfigError: the configuration cannot be used.
        SourceError: a file cannot be read, or no camera gave a frame for a minute.
    """
    import threading  # noqa: PLC0415

    from streamd import config  # noqa: PLC0415
    from streamd.clock import SystemClock  # noqa: PLC0415
    from streamd.decode import open_camera  # noqa: PLC0415
    from streamd.errors import Finished, SourceError  # noqa: PLC0415
    from streamd.flow.channel import Overflow, Select  # noqa: PLC0415
    from streamd.flow.pipeline import Pipeline  # noqa: PLC0415
    from streamd.flow.stage import Feed, Stage, Work  # noqa: PLC0415
    from streamd.frames import Frame, Notice, Picture  # noqa: PLC0415

    class Sample(Work[Frame | Notice, Frame]):
        """Lets every n-th frame pass."""

        def __call__(self, item: Frame | Notice) -> Iterator[Frame]:
            if isinstance(item, Notice):
                if item.reason:
                    click.echo(f"{item.camera}: {item.kind}: {item.reason}", err=True)
            elif item.seq % every == 0:
                yield item

    settings = config.load(path, os.environ)
    stop = threading.Event()
    select: Select[Frame] = Select()
    stages = []
    for name, camera in settings.cameras.items():
        opened = open_camera(name, camera, path.parent, SystemClock())
        opened.check()
        overflow = Overflow.DROP_OLDEST if opened.live else Overflow.BLOCK
        stages.append(Stage(f"watch {name}", Sample(), Feed(opened.frames(stop)), select.lane(1, overflow)))
    select.close()
    pipeline = Pipeline(stages, stop)
    pipeline.start()
    try:
        taken = 0
        while taken < frames:
            if not select.wait(PATIENCE_S):
                raise SourceError(f"{path}: no camera gave a frame for {PATIENCE_S} s", mend="check that one is on")
            for frame in select.take(frames - taken):
                if isinstance(frame.picture, Picture):  # as every decoder of the CPU gives it
                    yield frame.picture
                    taken += 1
    except Finished:
        pass
    finally:
        stop.set()
        select.abandon()
        pipeline.wait(10)
    if pipeline.error is not None:
        raise pipeline.error
