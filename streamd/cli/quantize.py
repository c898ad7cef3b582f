"""`streamd quantize`: a float32 model becomes INT8, once for TensorRT and once for the CPU."""

import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from streamd.cli.calibrate import stretch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streamd.frames import Picture
    from streamd.int8.calibrate import Calibration
    from streamd.int8.judge import Judge
    from streamd.int8.placement import Placement
    from streamd.int8.quantize import Trial, Workpiece
    from streamd.score.evaluate import Row

METHODS = ("minmax", "entropy", "percentile", "mse", "histogram-observer", "legacy")
HELD_OUT = 4  # of so many pictures one is kept to judge on
JUDGED = 64  # pictures, at most
PATH = click.Path(path_type=Path)


@click.command("quantize")
@click.argument("model", type=PATH)
@click.option("--data", multiple=True, type=PATH, help="What to calibrate on, as for `calibrate`; a quarter judges.")
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
@click.option("--confidence", default=0.25, show_default=True, type=click.FloatRange(0, 1), help="Of what is judged.")
@click.option("--frames", default=200, show_default=True, help="Most pictures of --data.")
@click.option("--part", default="0:1", show_default=True, callback=stretch, metavar="FROM:TO", help="Of --data.")
@click.option(
    "--min-agreement", default=0.9, show_default=True, type=click.FloatRange(0, 1), help="With float, at IoU 0.5."
)
@click.option("--force", is_flag=True, help="Write the files also below --min-agreement.")
@click.option("--write-cache", type=PATH, help="Write the scales as a cache for TensorRT 10 or older, too.")
@click.option("--tensorrt-version", default="8.6.0", show_default=True, help="That the cache is for.")
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
    ready = graph.load(model)
    plan = placement.plan(ready, quantize.keeper(ready, given["keep_float"], given["only"]), whole=given["whole"])
    if given["listed"]:
        click.echo(described(plan))
        return
    backend = infer.load(model)
    backend.close()
    piece = quantize.Workpiece(model, ready, backend.manifest, plan)
    trial, judge, facts = chosen(piece, given)
    if trial.agreement is not None and trial.agreement.matched50 < given["min_agreement"] and not given["force"]:
        raise click.ClickException(
            f"{trial.method} agrees with the float model to {trial.agreement.matched50:.3f}, below "
            f"{given['min_agreement']:g}: nothing written; calibrate on more, name fragile layers with --keep-float, "
            f"or take it with --force"
        )
    piece.about = quantize.about(trial, ready, facts)
    write(piece, trial, judge, given)


def chosen(piece: "Workpiece", given: dict[str, Any]) -> "tuple[Trial, Judge | None, dict[str, Any]]":
    """Return the trial to be written, what it was judged on, and where its scales come from."""
    from streamd.errors import DataError  # noqa: PLC0415
    from streamd.int8 import cache, calibrate, legacy, quantize  # noqa: PLC0415
    from streamd.int8.judge import Judge  # noqa: PLC0415

    judge = held_out(piece, given)
    if given["cache"] is not None:
        known = cache.read(given["cache"])
        trial = quantize.Trial("cache", cache.choose(piece.graph, piece.placement, known, given["cache"]))
        if judge is not None:
            trial.agreement = quantize.judged(piece, trial.scales, judge)
        return trial, judge, {"cache": given["cache"].name}
    if given["calibration"] is not None:
        calibration = calibrate.load(given["calibration"])
    else:
        calibration, pictures = calibrated(piece, given, keep=judge is None)
        judge = judge or (Judge(piece.path, pictures, given["confidence"]) if pictures else None)
    methods = METHODS if given["method"] == "best" else (given["method"],)
    if len(methods) > 1 and judge is None:
        raise DataError("--method best needs pictures to judge on", mend="name some with --judge, or name a method")
    if given["screen"]:
        screen(piece, calibration, given)
    count = len(methods) + (legacy.POINTS if "legacy" in methods and judge else 0)
    with click.progressbar(length=count, label="trying scales", file=sys.stderr, show_pos=True) as bar:
        found = quantize.trials(piece, calibration, methods, judge, lambda: bar.update(1))
    for trial in found:
        tell(trial)
    return found[0], judge, {"data_sha256": calibration.data_sha256, "frames": calibration.frames}


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


def held_out(piece: "Workpiece", given: dict[str, Any]) -> "Judge | None":
    """Return the pictures of --judge."""
    from streamd.int8 import data  # noqa: PLC0415
    from streamd.int8.judge import Judge  # noqa: PLC0415

    if not given["judge"]:
        return None
    pictures = [one.copy() for one in data.shown(data.find(given["judge"]), JUDGED, part=given["judge_part"])]
    return Judge(piece.path, pictures, given["confidence"])


def calibrated(piece: "Workpiece", given: dict[str, Any], *, keep: bool) -> "tuple[Calibration, list[Picture]]":
    """Calibrate on --data; where `keep`, on three quarters of it, and return the last quarter, thinned to `JUDGED`."""
    from streamd.int8 import calibrate, data  # noqa: PLC0415

    sources = data.find(given["data"])
    kept: list[Picture] = []
    stride = max(HELD_OUT, -(-given["frames"] // JUDGED)) if keep else 0

    def shown() -> "Iterator[Picture]":
        for i, picture in enumerate(data.shown(sources, given["frames"], part=given["part"])):
            if stride and i % stride == stride - 1:
                kept.append(picture.copy())
            else:
                yield picture

    inputs = data.inputs(piece.manifest.input, shown(), sources.batches)
    with click.progressbar(length=given["frames"] or 1, label="calibrating", file=sys.stderr, show_pos=True) as bar:
        done = calibrate.calibrate(
            piece.graph, inputs, whole=given["whole"], progress=lambda count: bar.update(count - bar.pos)
        )
    return done, kept


def write(piece: "Workpiece", trial: "Trial", judge: "Judge | None", given: dict[str, Any]) -> None:
    """Write the files, and print the report."""
    from streamd.int8 import cache  # noqa: PLC0415

    stem = given["out"] / piece.path.stem
    scales = trial.scales
    paths = [
        piece.save(piece.tensorrt(scales, given["base"]), Path(f"{stem}.trt.onnx")),
        piece.save(piece.cpu(scales), Path(f"{stem}.cpu.onnx")),
    ]
    if given["write_cache"] is not None:
        cache.write(given["write_cache"], cache.known(scales), given["tensorrt_version"])
        paths.append(given["write_cache"])
    for remark in scales.remarks:
        click.echo(f"note: {remark}", err=True)
    if judge is None:
        click.echo("not judged: name pictures with --judge", err=True)
    else:
        click.echo(report(piece, trial, judge, paths[1]))
    click.echo(f"wrote {', '.join(map(str, paths))}")


def report(piece: "Workpiece", trial: "Trial", judge: "Judge", cpu: Path) -> str:
    """Return the table of FP32, FP16 and INT8, and what INT8 saves on this CPU."""
    from streamd.int8.half import to_half  # noqa: PLC0415
    from streamd.int8.judge import saving  # noqa: PLC0415
    from streamd.score import table  # noqa: PLC0415

    with tempfile.TemporaryDirectory(prefix="streamd-report-") as name:
        folder = Path(name)
        half = to_half(piece.graph.model, str(piece.path), piece.placement.head.decode)
        fp16 = piece.save(half, folder / "fp16 (simulated).onnx", "fp16")
        trt = piece.save(piece.tensorrt(trial.scales, "fp32"), folder / "int8 TensorRT (simulated).onnx")
        rows = judge.rows([piece.path, cpu], timed=True)
        rows[1:1] = judge.rows([fp16, trt])
        spent = saving(piece.path, cpu, judge.pictures[0])
    sized: list[Row] = [replace(row, model=Path(row.model).stem) for row in rows]
    lines = [table.as_text(sized), "", f"judged on {len(judge.pictures)} pictures, method {trial.method}", str(spent)]
    return "\n".join(lines)


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
