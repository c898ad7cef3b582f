"""`streamd build`: an ONNX file becomes a TensorRT engine."""

import json
import os
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from streamd.cli.amounts import MOST_ROWS, amount, batches, sides
from streamd.cli.asked import asked, check_implicit, check_places
from streamd.cli.fraction import FRACTION

if TYPE_CHECKING:
    from streamd.cli.live import Line
    from streamd.engine.ask import Ask
    from streamd.engine.build import Implicit, Made
    from streamd.infer.library import Library

INTERRUPTED = 130  # as shells tell of SIGINT
NOTED = 5  # warnings of TensorRT that are shown
FRAMES = 16  # of the bundled clip, that parity is looked at on
PATH = click.Path(path_type=Path)
METHODS = ("minmax", "entropy", "percentile", "mse", "histogram-observer")


@click.command("build")
@click.argument("model", type=PATH)
@click.option("--out", type=PATH, help="The engine; without it, MODEL with the ending .engine.")
@click.option("--batch", callback=batches, metavar="MIN,OPT,MAX", help="Frames in one run; 1,4,8 where it is open.")
@click.option("--batch-up-to", type=click.IntRange(1, MOST_ROWS), help="As --batch 1,N,N where MODEL leaves it open.")
@click.option("--size", callback=sides, metavar="WxH", help="Of a model that leaves its sides open.")
@click.option("--fp16", is_flag=True, help="Turn what is float32 in MODEL into float16 first.")
@click.option(
    "--int8",
    default="qdq",
    show_default=True,
    type=click.Choice(["qdq", "calibrator", "dynamic-range"]),
    help="What says what runs in INT8. All but qdq end with TensorRT 10.",
)
@click.option(
    "--calibrator",
    default="entropy2",
    show_default=True,
    type=click.Choice(["entropy2", "minmax", "entropy", "legacy"]),
    help="Of TensorRT, with --int8 calibrator.",
)
@click.option("--data", multiple=True, type=PATH, help="Pictures for --int8 calibrator, as for `calibrate`.")
@click.option("--frames", default=512, show_default=True, type=click.IntRange(1), help="Most pictures of --data.")
@click.option("--cache", type=PATH, help="A calibration cache: read where it is there, else written.")
@click.option("--calibration", type=PATH, help="What `streamd calibrate` wrote, for --int8 dynamic-range.")
@click.option("--method", default="mse", show_default=True, type=click.Choice(METHODS), help="With --calibration.")
@click.option("--workspace", callback=amount, metavar="SIZE", help="Most memory for one layer, like 2GiB.")
@click.option("--level", type=click.IntRange(0, 5), help="How long to search for fast kernels; TensorRT's own is 3.")
@click.option("--version-compatible", is_flag=True, help="Let later versions of TensorRT run it.")
@click.option("--hardware-compatible", is_flag=True, help="Let other GPUs from Ampere on run it.")
@click.option("--strict", is_flag=True, help="Fail where INT8 cannot be built, instead of building FP16.")
@click.option("--device", default="cuda:0", show_default=True, help="The GPU that it is built on and for.")
@click.option("--timing-cache", type=PATH, help="A folder; without it, streamd/timing in the user's cache.")
@click.option("--log", "log_file", type=PATH, help="Write all that TensorRT says.")
@click.option("--audit", "audit_file", type=PATH, help="Write what became of each layer, as JSON.")
@click.option("--check", multiple=True, type=PATH, help="Pictures or videos to compare with ONNX Runtime on.")
@click.option("--min-agreement", default=0.9, show_default=True, type=FRACTION, help="At IoU 0.5.")
@click.option("--max-drift", default=0.05, show_default=True, type=FRACTION, help="Mean, of scores.")
@click.option("--force", is_flag=True, help="Build also where the engine there is just what is asked for.")
@click.pass_context
def command(ctx: click.Context, /, model: Path, **given: Any) -> None:  # noqa: ANN401 - click's options, by name
    """Build a TensorRT engine of MODEL, an ONNX file, for the GPU of this machine.

    The engine runs in the types that MODEL says: INT8 where `streamd quantize` put it, float16 or float32 elsewhere.
    Beside it stands its manifest, which says what it was built by, for and from.
    """
    from streamd.cli.live import ended_at_once  # noqa: PLC0415 - the libraries take longer than `streamd --help` may

    with ended_at_once():
        from streamd import log  # noqa: PLC0415 - as above
        from streamd.engine import deliver, parity, source, target  # noqa: F401, PLC0415 - likewise
        from streamd.engine.build import Cancelled  # noqa: PLC0415
        from streamd.int8 import data  # noqa: F401, PLC0415

    log.setup("warning", "console")
    try:
        make(model, given)
    except (Cancelled, KeyboardInterrupt):
        click.echo("streamd: cancelled; no engine was written", err=True)
        ctx.exit(INTERRUPTED)


def make(model: Path, given: dict[str, Any]) -> None:
    """Build, compare and write, unless what is there is just what is asked for."""
    from streamd.engine import build, deliver, source, target  # noqa: PLC0415 - as above
    from streamd.infer import library  # noqa: PLC0415

    check_places(model, given)
    read = source.read(model)
    ask = asked(model, given, open_batch=read.open_batch)
    found = library.find()
    check_implicit(found, ask)
    gpu = target.find(given["device"])
    if gpu is None:
        click.echo("no GPU here: an engine for none in particular, neither timed nor compared", err=True)
    # What an implicit calibration comes to lies in files beside the model's: they are not compared.
    if not given["force"] and not ask.implicit:
        precision = "int8" if ask.strict and read.quantized else ""
        if deliver.is_current(ask.out, build.built(found, ask, read, gpu), precision):
            click.echo(f"{ask.out} is current: built by {found} from {model}; --force builds it again")
            return
    made = run(found, ask, read, gpu, given)
    tell(made)
    put(made, ask, given)


def run(library: "Library", ask: "Ask", read: Any, gpu: Any, given: dict[str, Any]) -> "Made":  # noqa: ANN401
    """Build with a line that shows how far it is, and Ctrl-C that ends it."""
    from streamd.cli.live import Line, interruptible  # noqa: PLC0415
    from streamd.engine import target, timing  # noqa: PLC0415
    from streamd.engine.build import Cancelled, build  # noqa: PLC0415
    from streamd.engine.watch import Watch  # noqa: PLC0415

    cache = timing.of(library, gpu, given["timing_cache"] or user_cache() / "timing")
    line = Line(f"building {ask.out.name}")
    with ExitStack() as stack:
        stack.callback(line.close)
        file = stack.enter_context(given["log_file"].open("w", encoding="utf-8")) if given["log_file"] else None
        stopped = stack.enter_context(interruptible(asks=library.reports_progress))
        watch = Watch(log=file, show=line, stopped=stopped)
        if gpu is not None:
            stack.enter_context(target.active(given["device"]))
        made = build(library, ask, read, gpu, watch, cache, implicit(library, ask, given, line, stopped))
        if stopped():  # pressed while the layers were looked at
            raise Cancelled
    for warning in watch.warnings[:NOTED]:
        click.echo(f"note: TensorRT: {' '.join(warning.split())[:300]}", err=True)
    if len(watch.warnings) > NOTED:
        click.echo(f"note: TensorRT: {len(watch.warnings) - NOTED} more warnings; --log FILE keeps them", err=True)
    return made


def implicit(
    library: "Library", ask: "Ask", given: dict[str, Any], line: "Line", stopped: Callable[[], bool]
) -> "Implicit | None":
    """Return what implicit INT8 is told; pictures come no more once `stopped` says so."""
    if not ask.implicit:
        return None
    from streamd.engine import data  # noqa: PLC0415

    if ask.int8 == "dynamic-range":
        return data.ranges(ask.model, given["cache"], given["calibration"], given["method"])
    seen = 0

    def advance(count: int) -> None:
        nonlocal seen
        if stopped():
            raise KeyboardInterrupt
        seen += count
        line(seen / given["frames"], "calibrating")

    return data.pictures(library, ask, given["data"], given["frames"], given["cache"], given["device"], advance)


def tell(made: "Made") -> None:
    """Print what was built."""
    for note in made.notes:
        click.echo(f"warning: {note}", err=True)
    about = made.manifest.built
    rows = f", batches {','.join(map(str, about.profile))}" if about and about.profile else ""
    click.echo(f"{made.manifest.precision} in {made.seconds:.1f} s, {len(made.plan) / 1e6:.1f} MB{rows}")
    click.echo(made.audit.verdict if made.audit else "TensorRT told nothing of its layers")


def put(made: "Made", ask: "Ask", given: dict[str, Any]) -> None:
    """Compare the engine with ONNX Runtime where it can be run, and write it."""
    from streamd import output  # noqa: PLC0415
    from streamd.engine import deliver  # noqa: PLC0415
    from streamd.errors import DataError  # noqa: PLC0415

    click.echo(checked(made, ask, given), err=True)
    deliver.deliver(made.plan, made.manifest, ask.out)
    written = [ask.out]
    if given["audit_file"] is not None and made.audit is not None:
        try:
            output.write(given["audit_file"], (json.dumps(made.audit.as_json(), indent=2) + "\n").encode())
        except OSError as error:
            raise DataError(f"{given['audit_file']}: {error.strerror}", mend="name another file") from error
        written.append(given["audit_file"])
    click.echo(f"wrote {', '.join(map(str, written))}")


def checked(made: "Made", ask: "Ask", given: dict[str, Any]) -> str:
    """Return how well the engine agrees with its ONNX file; it is run from a folder of its own.

    Raises:
        ModelError: it does not agree, or one of the two cannot be run.
    """
    from streamd import infer  # noqa: PLC0415

    if ".engine" not in infer.BACKENDS or made.manifest.built is None or not made.manifest.built.gpu:
        return "not compared with ONNX Runtime: the engine cannot be run here"
    from streamd import bundled  # noqa: PLC0415
    from streamd.engine import parity  # noqa: PLC0415
    from streamd.int8 import data  # noqa: PLC0415

    paths = given["check"] or (bundled.folder("assets") / "street.mp4",)
    pictures = [one.copy() for one in data.shown(data.find(paths), FRAMES)]
    bounds = parity.Bounds(given["min_agreement"], given["max_drift"])
    return parity.check(made.plan, made.manifest, ask.model, pictures, given["device"], bounds)


def user_cache() -> Path:
    """Return streamd's folder in the user's cache (XDG Base Directory Specification)."""
    from streamd.errors import DataError  # noqa: PLC0415

    base = os.environ.get("XDG_CACHE_HOME", "")
    try:
        return (Path(base) if base.startswith("/") else Path.home() / ".cache") / "streamd"
    except RuntimeError as error:  # a user without a home
        raise DataError(f"no folder for timings: {error}", mend="name one with --timing-cache") from error
