"""`streamd sensitivity`: which parts of a model INT8 hurts, and how much."""

import os
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from streamd import manifest as sidecars
from streamd import output
from streamd.cli.bar import progress
from streamd.cli.calibrate import run, stretch
from streamd.cli.fraction import FRACTION
from streamd.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from streamd.frames import F32
    from streamd.int8.calibrate import Calibration
    from streamd.int8.graph import Graph
    from streamd.int8.placement import Placement
    from streamd.int8.sensitivity.feed import Feed
    from streamd.int8.sensitivity.outcome import Outcome
    from streamd.int8.sensitivity.report import Report
    from streamd.manifest import Manifest
    from streamd.score.truth import Dataset

MODES = ("alone", "all-but", "one-by-one")
METRICS = ("mse", "sqnr", "cosine", "kl", "range", "drop")
METHODS = ("minmax", "entropy", "percentile", "mse", "histogram-observer")
PATH = click.Path(path_type=Path)


@click.command("sensitivity")
@click.argument("model", type=PATH)
@click.option(
    "--data", multiple=True, required=True, type=PATH, help="A labelled data set, or pictures and videos as it comes."
)
@click.option(
    "--frames",
    default=48,
    show_default=True,
    type=click.IntRange(1, 2000),
    help="Pictures measured on, held in memory.",
)
@click.option("--part", default="0:1", show_default=True, callback=stretch, metavar="FROM:TO", help="Of --data.")
@click.option("--calibration", type=PATH, help="What `streamd calibrate` wrote; else other pictures of --data.")
@click.option("--method", default="mse", show_default=True, type=click.Choice(METHODS))
@click.option(
    "--mode", "modes", multiple=True, default=("alone",), show_default=True, type=click.Choice([*MODES, "all"])
)
@click.option("--sort", default="sqnr", show_default=True, type=click.Choice(METRICS), help="What the table goes by.")
@click.option("--keep-float", multiple=True, metavar="NODE|REGEX", help="Leave in floating point. Repeatable.")
@click.option("--confidence", default=0.25, show_default=True, type=FRACTION, help="Without labels.")
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
    check_places(model, given)
    ready = graph.load(model)
    backend = infer.load(model)
    backend.close()
    found = studied(model, ready, backend.manifest, given)
    known = found.groups[0].ranks
    if any(given["sort"] not in ranks for ranks in known.values()):
        click.echo(f"note: a head of {backend.manifest.head} has no {given['sort']}: sorted by sqnr", err=True)
        given["sort"] = "sqnr"
    click.echo(report.as_text(found, given["sort"]))
    for path, content in ((given["as_json"], report.as_json), (given["chart"], chart.draw)):
        if path is not None:
            save(path, content(found))


def check_places(model: Path, given: dict[str, Any]) -> None:
    """Check that every file can be written, and replaces nothing that is read.

    Raises:
        DataError: one cannot be written, or is another file of this work.
    """
    taken = {os.path.realpath(path) for path in (model, sidecars.beside(model))}
    if given["calibration"] is not None:
        from streamd.int8 import saved  # noqa: PLC0415 - as above

        taken |= {os.path.realpath(path) for path in saved.paths(given["calibration"])}
    for option, path in (("--json", given["as_json"]), ("--chart", given["chart"])):
        if path is None:
            continue
        if os.path.realpath(path) in taken:
            raise DataError(f"{option} {path}: is another file of this work", mend="name a file of its own")
        output.check_file(path, option=option)
        taken.add(os.path.realpath(path))


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
    if study.blind:
        click.echo(f"note: {study.blind}: the drop tells nothing", err=True)
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
    from streamd.int8 import saved  # noqa: PLC0415 - as above
    from streamd.int8.sensitivity.feed import labels_in  # noqa: PLC0415
    from streamd.int8.sensitivity.outcome import Outcome  # noqa: PLC0415

    if given["calibration"] is not None:  # read before the work, as it may be at fault
        calibration = saved.load(given["calibration"])
        saved.check_model(calibration, ready, plan, given["calibration"])
    dataset = labels_in(given["data"], manifest.head)
    feed, others = labelled(dataset, manifest, given) if dataset else unlabelled(manifest, given)
    labels = dataset.labels if dataset else ()
    outcome = Outcome(manifest, feed.geometries, feed.truths, labels, confidence=given["confidence"], path=model)
    if given["calibration"] is None:
        calibration = run(ready, others, given["frames"], whole=False)
    return feed, outcome, calibration


def labelled(dataset: "Dataset", manifest: "Manifest", given: dict[str, Any]) -> "tuple[Feed, Iterable[F32]]":
    """Return the pictures of a data set to measure on, and others to calibrate on."""
    from streamd.decode import picture_from_image  # noqa: PLC0415 - as above
    from streamd.int8 import data  # noqa: PLC0415
    from streamd.int8.sensitivity.feed import Feed  # noqa: PLC0415

    first, end = (round(fraction * len(dataset.truths)) for fraction in given["part"])
    part = replace(dataset, truths=dataset.truths[first:end])
    few = part.spread(given["frames"])
    measured = {truth.path for truth in few.truths}
    rest = tuple(truth for truth in part.truths if truth.path not in measured)
    if not rest and given["calibration"] is None:
        alike()
    others = replace(dataset, truths=rest or few.truths).spread(given["frames"])
    pictures = (picture_from_image(truth.path) for truth in others.truths)
    return Feed.labelled(manifest.input, few, max(manifest.batch, 1)), data.inputs(manifest.input, pictures)


def unlabelled(manifest: "Manifest", given: dict[str, Any]) -> "tuple[Feed, Iterable[F32]]":
    """Return every other picture to measure on, and those between to calibrate on."""
    from streamd.int8 import data  # noqa: PLC0415 - as above
    from streamd.int8.sensitivity.feed import Feed  # noqa: PLC0415

    shown = data.shown(data.find(given["data"]), 2 * given["frames"], part=given["part"])
    every = Feed.of(manifest.input, shown, max(manifest.batch, 1))
    if len(every.inputs) == 1 and given["calibration"] is None:
        alike()
    return every.taken(range(0, len(every.inputs), 2)), every.inputs[1::2] or every.inputs


def alike() -> None:
    """Tell that no picture is left to calibrate on."""
    click.echo("note: calibrated on the pictures that are measured on; give more --data, or --calibration", err=True)


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
