"""`streamd sensitivity`: which parts of a model INT8 hurts, and how much."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from streamd import output
from streamd.cli.bar import progress
from streamd.cli.calibrate import run, stretch
from streamd.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streamd.frames import Picture
    from streamd.int8.calibrate import Calibration
    from streamd.int8.graph import Graph
    from streamd.int8.placement import Placement
    from streamd.int8.sensitivity.feed import Feed
    from streamd.int8.sensitivity.outcome import Outcome
    from streamd.int8.sensitivity.report import Report
    from streamd.manifest import Manifest

MODES = ("alone", "all-but", "one-by-one")
METRICS = ("mse", "sqnr", "cosine", "kl", "range", "drop")
METHODS = ("minmax", "entropy", "percentile", "mse", "histogram-observer")
PATH = click.Path(path_type=Path)


@click.command("sensitivity")
@click.argument("model", type=PATH)
@click.option(
    "--data", multiple=True, required=True, type=PATH, help="A labelled data set, or pictures and videos as it comes."
)
@click.option("--frames", default=48, show_default=True, type=click.IntRange(1, 2000), help="Pictures measured on.")
@click.option("--part", default="0:1", show_default=True, callback=stretch, metavar="FROM:TO", help="Of each video.")
@click.option("--calibration", type=PATH, help="What `streamd calibrate` wrote; else other pictures of --data.")
@click.option("--method", default="mse", show_default=True, type=click.Choice(METHODS))
@click.option(
    "--mode", "modes", multiple=True, default=("alone",), show_default=True, type=click.Choice([*MODES, "all"])
)
@click.option("--sort", default="sqnr", show_default=True, type=click.Choice(METRICS), help="What the table goes by.")
@click.option("--keep-float", multiple=True, metavar="NODE|REGEX", help="Leave in floating point. Repeatable.")
@click.option("--confidence", default=0.25, show_default=True, type=click.FloatRange(0, 1), help="Without labels.")
@click.option("--json", "as_json", type=PATH, help="Writes everything that was found.")
@click.option("--chart", type=PATH, help="Writes a picture (SVG): bars by group, over the network's depth.")
def command(model: Path, **given: Any) -> None:  # noqa: ANN401 - click's options, by name
    """Tell which parts of MODEL, a float32 ONNX file, INT8 hurts.

    One fusion group (tensors of one scale and the layers that read them) at a time:

    \b
    alone        it alone in INT8: what the group itself loses
    all-but      everything else in INT8: what is won back by leaving it in float
    one-by-one   it and all before it in INT8: how errors add up

    Raw answers of the head are compared, boxes and scores apart, and their quality: mean average precision where
    --data is a labelled data set, else agreement with the float model. Higher is more sensitive, in every column.
    """  # noqa: D301 - click reads the sign \b, and passes over the two of a raw string
    from streamd import infer, log  # noqa: PLC0415 - the libraries take longer to import than `streamd --help` may
    from streamd.int8 import graph  # noqa: PLC0415
    from streamd.int8.sensitivity import chart, report  # noqa: PLC0415

    log.setup("warning", "console")
    output.tidy_when_told_to_end()
    for option, path in (("--json", given["as_json"]), ("--chart", given["chart"])):
        if path is not None:
            output.check_file(path, option=option)
    ready = graph.load(model)
    backend = infer.load(model)
    backend.close()
    found = studied(model, ready, backend.manifest, given)
    click.echo(report.as_text(found, given["sort"]))
    for path, content in ((given["as_json"], report.as_json), (given["chart"], chart.draw)):
        if path is not None:
            save(path, content(found))


def studied(model: Path, ready: "Graph", manifest: "Manifest", given: dict[str, Any]) -> "Report":
    """Run the modes asked for, and return what they found."""
    from streamd.int8 import placement, quantize, scales, thresholds  # noqa: PLC0415
    from streamd.int8.sensitivity import report, screen  # noqa: PLC0415
    from streamd.int8.sensitivity.study import Study  # noqa: PLC0415

    began = time.monotonic()
    plan = placement.plan(ready, quantize.keeper(ready, given["keep_float"], ()))
    feed, outcome, calibration = prepared(model, ready, plan, manifest, given)
    chosen = scales.choose(ready, plan, calibration, thresholds.METHODS[given["method"]])
    modes = MODES if "all" in given["modes"] else tuple(mode for mode in MODES if mode in given["modes"])
    study = Study(ready, manifest, plan, chosen, feed, outcome)
    with progress(len(modes) * len(study.groups) + ("all-but" in modes), "measuring") as advance:
        study.advance = lambda: advance(1)
        runs = {"alone": study.alone, "all-but": study.all_but, "one-by-one": study.one_by_one}
        found = {mode: [measure for _, measure in runs[mode]()] for mode in modes}
    ranges = [screen.ratio(ready, group) for group in study.groups]
    return report.Report(
        model=str(model),
        model_sha256=ready.sha256,
        pictures=len(feed.inputs),
        method=given["method"],
        outcome=outcome.name,
        quality=study.quality,
        minutes=round((time.monotonic() - began) / 60, 2),
        correlation=report.correlated(found, ranges),
        groups=report.grouped(study.groups, found, ranges),
    )


def prepared(
    model: Path, ready: "Graph", plan: "Placement", manifest: "Manifest", given: dict[str, Any]
) -> "tuple[Feed, Outcome, Calibration]":
    """Return the pictures to measure on, what judges them, and a calibration, on other pictures where there are."""
    from streamd.decode import picture_from_image  # noqa: PLC0415
    from streamd.int8 import data, saved  # noqa: PLC0415
    from streamd.int8.sensitivity.feed import Feed, labels_in  # noqa: PLC0415
    from streamd.int8.sensitivity.outcome import Outcome  # noqa: PLC0415

    frames, confidence = given["frames"], given["confidence"]
    dataset = labels_in(given["data"], manifest.head)
    if dataset is not None:
        others: Iterator[Picture]
        few = dataset.spread(frames)
        feed = Feed.labelled(manifest.input, few)
        outcome = Outcome(manifest, feed.geometries, feed.truths, dataset.labels, confidence=confidence, path=model)
        measured = {truth.path for truth in few.truths}
        paths = [truth.path for truth in dataset.truths if truth.path not in measured] or sorted(measured)
        others = map(picture_from_image, paths[:: max(1, len(paths) // frames)])
    else:
        pictures = [one.copy() for one in data.shown(data.find(given["data"]), 2 * frames, part=given["part"])]
        feed = Feed.of(manifest.input, pictures[::2])
        outcome = Outcome(manifest, feed.geometries, confidence=confidence, path=model)
        others = iter(pictures[1::2] or pictures)
    if given["calibration"] is None:
        return feed, outcome, run(ready, data.inputs(manifest.input, others), frames, whole=False)
    calibration = saved.load(given["calibration"])
    saved.check_model(calibration, ready, plan, given["calibration"])
    return feed, outcome, calibration


def save(path: Path, content: bytes | str) -> None:
    """Write a file, whole or not at all.

    Raises:
        DataError: it cannot be written.
    """
    try:
        output.write(path, content.encode() if isinstance(content, str) else content)
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}", mend="name a file that can be written") from error
    click.echo(f"wrote {path}")
