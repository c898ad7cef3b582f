"""`streamd quantize`: a float32 model becomes INT8, once for TensorRT and once for the CPU."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from streamd import output
from streamd.cli import refine, repair
from streamd.cli.bar import progress
from streamd.cli.calibrate import FRAMES, run, stretch
from streamd.cli.fraction import FRACTION
from streamd.cli.seen import HELD_OUT, JUDGED
from streamd.errors import DataError, ModelError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streamd.frames import Picture
    from streamd.int8.calibrate import Calibration
    from streamd.int8.judge import Judge
    from streamd.int8.placement import Placement
    from streamd.int8.quantize import Trial, Workpiece

METHODS = ("minmax", "entropy", "percentile", "mse", "histogram-observer", "legacy")
PATH = click.Path(path_type=Path)


@click.command("quantize")
@click.argument("model", type=PATH)
@click.option("--data", multiple=True, type=PATH, help="As for `calibrate`, but for cameras; a quarter judges.")
@click.option("--calibration", type=PATH, help="What `streamd calibrate` wrote.")
@click.option("--cache", type=PATH, help="A calibration cache of TensorRT 10 or older.")
@click.option("--method", default="best", show_default=True, type=click.Choice([*METHODS, "best"]))
@click.option("--out", type=PATH, help="A folder for NAME.trt.onnx, NAME.cpu.onnx and their manifests.")
@click.option("--keep-float", multiple=True, metavar="NODE|REGEX", help="Leave in floating point. Repeatable.")
@click.option("--only", multiple=True, metavar="NODE|REGEX", help="Quantize nothing else. Repeatable.")
@click.option(
    "--screen/--no-screen", default=True, show_default=True, help="Leave depthwise layers that one scale would ruin."
)
@click.option("--whole", is_flag=True, help="Quantize the detection head too: to see what it costs.")
@click.option(
    "--base", default="fp16", show_default=True, type=click.Choice(["fp16", "fp32"]), help="Of what is float."
)
@click.option("--judge", multiple=True, type=PATH, help="Pictures or videos to judge on, instead of a part of --data.")
@click.option("--judge-part", default="0:1", show_default=True, callback=stretch, metavar="FROM:TO")
@click.option("--confidence", default=0.25, show_default=True, type=FRACTION, help="Of what is judged.")
@click.option("--frames", default=200, show_default=True, type=FRAMES, help="Most pictures of --data; 0 for all.")
@click.option("--part", default="0:1", show_default=True, callback=stretch, metavar="FROM:TO", help="Of --data.")
@click.option("--min-agreement", default=0.9, show_default=True, type=FRACTION, help="With float, at IoU 0.5.")
@click.option("--force", is_flag=True, help="Write the files also below --min-agreement.")
@click.option("--write-cache", type=PATH, help="Write the scales as a cache for TensorRT 10 or older, too.")
@click.option("--tensorrt-version", default="8.6.0", show_default=True, help="That the cache is for.")
@repair.options
@refine.options
@click.option("--list", "listed", is_flag=True, help="Print what would be quantized, and stop.")
def command(model: Path, **given: Any) -> None:  # noqa: ANN401 - click's options, by name
    """Quantize MODEL, a float32 ONNX file, with scales from --data, --calibration or --cache.

    Without --judge, a quarter of the pictures of --data is held out and judged on. Exits 1 below --min-agreement.
    """
    from streamd import infer, log  # noqa: PLC0415 - the libraries take longer to import than `streamd --help` may
    from streamd.int8 import graph, placement, quantize  # noqa: PLC0415

    if not given["listed"] and sum(bool(given[name]) for name in ("data", "calibration", "cache")) != 1:
        raise click.UsageError("give one of --data, --calibration and --cache")
    if not given["listed"] and given["out"] is None:
        raise click.UsageError("give --out, a folder")
    log.setup("warning", "console")
    output.tidy_when_told_to_end()
    if not given["listed"]:
        check_places(model, given)
        repair.check(given)
        refine.check(given)
    ready = graph.load(model)
    plan = placement.plan(ready, quantize.keeper(ready, given["keep_float"], given["only"]), whole=given["whole"])
    if given["listed"]:
        click.echo(described(plan))
        return
    check_plan(plan, ready.name, given)
    backend = infer.load(model)
    backend.close()
    piece = quantize.Workpiece(model, ready, backend.manifest, plan)
    mended = repair.equalized(piece, given)
    (trial, *others), judge, facts = chosen(piece, given)
    facts |= mended | repair.repaired(piece, trial, judge, given, others)
    facts |= refine.refined(piece, trial, judge, given)
    if trial.agreement is not None and trial.agreement.matched50 < given["min_agreement"] and not given["force"]:
        raise click.ClickException(
            f"{trial.method} agrees with the float model to {trial.agreement.matched50:.3f}, below "
            f"{given['min_agreement']:g}: nothing written; calibrate on more, name fragile layers with --keep-float, "
            f"or take it with --force"
        )
    piece.about = quantize.about(trial, ready, facts)
    write(piece, trial, judge, given)
    refine.tidy(model, given)


def check_places(model: Path, given: dict[str, Any]) -> None:
    """Check that everything can be written, before the work of hours.

    Raises:
        DataError: --out or --write-cache cannot be written, would replace the model, or no cache is of the version.
    """
    from streamd.int8 import cache  # noqa: PLC0415 - as above

    out, written = given["out"], given["write_cache"]
    names = [f"{model.stem}.{kind}{suffix}" for kind in ("trt", "cpu") for suffix in (".onnx", ".json")]
    if written is not None:
        cache.header(given["tensorrt_version"])
        taken = (model, model.with_suffix(".json"), *(out / name for name in names))
        if written.resolve() in (path.resolve() for path in taken):
            raise DataError(f"--write-cache {written}: is another file of this work", mend="name a file of its own")
        if written.parent == out:
            names.append(written.name)
        else:
            output.check_file(written, option="--write-cache")
    output.check_folder(out, names, option="--out")


def check_plan(plan: "Placement", model: str, given: dict[str, Any]) -> None:
    """Check that something is left to quantize.

    Raises:
        ModelError: nothing is.
    """
    if plan.layers:
        return
    options = [f"--{name.replace('_', '-')}" for name in ("keep_float", "only") if given[name]]
    if options:
        raise ModelError(
            f"{model}: nothing is left to quantize with {' and '.join(options)}", mend="`--list` prints what there is"
        )
    raise ModelError(f"{model}: has no layer that INT8 would serve", mend="name a model with convolutions, or serve it")


def chosen(piece: "Workpiece", given: dict[str, Any]) -> "tuple[list[Trial], Judge | None, dict[str, Any]]":
    """Return the trials, the best first, what they were judged on, and where their scales come from."""
    from streamd.int8 import cache, legacy, quantize, saved  # noqa: PLC0415
    from streamd.int8.judge import Judge  # noqa: PLC0415

    known = cache.read(given["cache"]) if given["cache"] is not None else None
    calibration = None
    if given["calibration"] is not None:
        calibration = saved.load(given["calibration"])
        saved.check_model(calibration, piece.graph, piece.placement, given["calibration"])
        if given["method"] == "best" and not given["judge"]:
            raise no_judge()
    judge = held_out(piece, given)
    if known is not None:
        trial = quantize.Trial("cache", cache.choose(piece.graph, piece.placement, known, given["cache"]))
        if judge is not None:
            trial.agreement = quantize.judged(piece, trial.scales, judge)
        return [trial], judge, {"cache": given["cache"].name}
    if calibration is None:
        calibration, pictures = calibrated(piece, given, keep=judge is None)
        judge = judge or (Judge(piece.path, pictures, given["confidence"]) if pictures else None)
    methods = METHODS if given["method"] == "best" else (given["method"],)
    if len(methods) > 1 and judge is None:
        raise no_judge()
    if given["screen"]:
        screen(piece, calibration, given)
    count = len(methods) + (legacy.POINTS if "legacy" in methods and judge else 0)
    with progress(count, "trying scales") as advance:
        found = quantize.trials(piece, calibration, methods, judge, lambda: advance(1))
    for trial in found:
        tell(trial)
    return found, judge, {"data_sha256": calibration.data_sha256, "frames": calibration.frames}


def no_judge() -> DataError:
    """Return the error of a search for the best without anything to judge on."""
    return DataError("--method best needs pictures to judge on", mend="name some with --judge, or name a method")


def screen(piece: "Workpiece", calibration: "Calibration", given: dict[str, Any]) -> None:
    """Leave fragile layers in floating point, and say which."""
    from streamd.int8 import fragile, placement, quantize  # noqa: PLC0415

    found = fragile.find(piece.graph, piece.placement, calibration)
    for one in found:
        click.echo(f"note: {one}", err=True)
    if found:
        layers = {one.layer for one in found}
        keep = quantize.keeper(piece.graph, given["keep_float"], given["only"])
        piece.placement = placement.plan(
            piece.graph, lambda node: node.name in layers or keep(node), whole=given["whole"]
        )
        if not piece.placement.layers:
            raise ModelError(
                f"{piece.path}: what is left are layers that one scale would ruin",
                mend="quantize them with --no-screen",
            )


def held_out(piece: "Workpiece", given: dict[str, Any]) -> "Judge | None":
    """Return the pictures of --judge."""
    from streamd.int8 import data  # noqa: PLC0415
    from streamd.int8.judge import Judge  # noqa: PLC0415

    if not given["judge"]:
        return None
    pictures = [one.copy() for one in data.shown(data.find(given["judge"]), JUDGED, part=given["judge_part"])]
    if not pictures:
        raise DataError("--judge: no picture to judge on", mend="name pictures or videos, or widen --judge-part")
    return Judge(piece.path, pictures, given["confidence"])


def calibrated(piece: "Workpiece", given: dict[str, Any], *, keep: bool) -> "tuple[Calibration, list[Picture]]":
    """Calibrate on --data; where `keep`, every fourth picture is held out and returned, at most `JUDGED` of them.

    Past 4 * `JUDGED` pictures fewer are held out, however many are still to come.
    """
    from streamd.int8 import data  # noqa: PLC0415

    sources = data.find(given["data"])
    kept: list[Picture] = []
    stride = HELD_OUT

    def shown() -> "Iterator[Picture]":
        nonlocal stride
        for i, picture in enumerate(data.shown(sources, given["frames"], part=given["part"])):
            if not keep or i % stride != stride - 1:
                yield picture
                continue
            kept.append(picture.copy())
            if len(kept) > JUDGED:
                kept[:] = kept[1::2]  # half as many, as far apart as those to come
                stride *= 2

    inputs = data.inputs(piece.manifest.input, shown(), sources.batches)
    return run(piece.graph, inputs, given["frames"], whole=given["whole"]), kept


def write(piece: "Workpiece", trial: "Trial", judge: "Judge | None", given: dict[str, Any]) -> None:
    """Write the files, and print the report."""
    from streamd.int8 import cache  # noqa: PLC0415
    from streamd.int8.report import report  # noqa: PLC0415

    stem = given["out"] / piece.path.stem
    scales = trial.scales
    with output.folder(given["out"]):
        paths = [
            piece.save(piece.tensorrt(scales, given["base"]), Path(f"{stem}.trt.onnx")),
            piece.save(piece.cpu(scales), Path(f"{stem}.cpu.onnx")),
        ]
    if given["write_cache"] is not None:
        cache.write(given["write_cache"], cache.known(scales), given["tensorrt_version"])
        paths.append(given["write_cache"])
    click.echo(f"wrote {', '.join(map(str, paths))}")
    for remark in scales.remarks:
        click.echo(f"note: {remark}", err=True)
    if judge is None:
        click.echo("not judged: name pictures with --judge", err=True)
    else:
        click.echo(report(piece, trial, judge, paths[1]))


def tell(trial: "Trial") -> None:
    """Print what a method came to."""
    found = trial.agreement
    if found is not None:
        drift = "-" if found.drift_abs is None else f"{found.drift_abs:.4f}"
        click.echo(
            f"{trial.method:20} agreement {found.matched50:.4f} at IoU 0.5, {found.matched90:.4f} at 0.9, drift {drift}"
        )


def described(plan: "Placement") -> str:
    """Return the layers that are quantized, kept, or the head's."""
    kinds = {"quantized": plan.layers, "carries": plan.carriers, "kept": plan.kept, "head": sorted(plan.head.last)}
    return "\n".join(f"{kind:10} {name}" for kind, names in kinds.items() for name in names)
