"""What `streamd quantize` does for models that plain INT8 hurts: --equalize, --partial and --bias-correction."""

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from streamd.cli import seen
from streamd.cli.bar import progress
from streamd.cli.fraction import FRACTION
from streamd.cli.sets import added
from streamd.errors import DataError, ModelError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from streamd.int8.graph import Graph
    from streamd.int8.groups import Group
    from streamd.int8.judge import Judge
    from streamd.int8.partial import Found
    from streamd.int8.quantize import Trial, Workpiece
    from streamd.int8.scales import Scales
    from streamd.int8.sensitivity.feed import Feed
    from streamd.int8.sensitivity.study import Study
    from streamd.score.truth import Dataset

RANKED_ON = 12  # pictures that groups are ranked by
CORRECTED_ON = 32  # pictures that biases are corrected on, at most
OPTIONS = (
    click.option("--partial", is_flag=True, help="Leave in float what hurts most, until --target-drop is met."),
    click.option(
        "--target-drop",
        default=0.01,
        show_default=True,
        type=FRACTION,
        help="Of mAP if --judge is a labelled data set, else of agreement (the mean of those at IoU 0.5 and 0.9).",
    ),
    click.option(
        "--max-float",
        default=0.3,
        show_default=True,
        type=FRACTION,
        help="Of the multiply-adds, that --partial may leave in float; the head's count.",
    ),
    click.option("--bias-correction", is_flag=True, help="Let biases make up for rounding; needs --data."),
    click.option("--equalize", is_flag=True, help="Bring channels to ranges alike where that changes no answer."),
)


options = added(OPTIONS)


def check(given: dict[str, Any]) -> None:
    """Check that what is asked for can be done.

    Raises:
        DataError: --bias-correction or --equalize has no pictures to be calibrated on, or --partial none to be judged
            on; or a cache is asked for whose scales would be those of an equalized model.
    """
    if given["equalize"] and not given["data"]:
        raise DataError("--equalize needs pictures to calibrate on", mend="give --data")
    if given["equalize"] and given["write_cache"] is not None:
        raise DataError("--write-cache: its scales would be those of an equalized model", mend="leave --equalize out")
    if given["bias_correction"] and not given["data"]:
        raise DataError("--bias-correction needs pictures to calibrate on", mend="give --data")
    if given["partial"] and not (given["data"] or given["judge"]):
        raise DataError("--partial needs pictures to judge on", mend="name some with --judge, or give --data")


def equalized(piece: "Workpiece", given: dict[str, Any]) -> dict[str, Any]:
    """Equalize the channels of `piece`, before anything is calibrated, tell where, and return it for the manifest."""
    from streamd.int8 import equalize  # noqa: PLC0415

    if not given["equalize"]:
        return {}
    inputs = seen.inputs(piece, given, "--equalize", CORRECTED_ON)
    piece.graph, tensors = equalize.equalize(piece.graph, piece.placement, inputs)
    click.echo(f"equalized: {', '.join(tensors) or 'no tensor; through SiLU, for one, nothing can be rescaled'}")
    return {"equalized": len(tensors)}


def repaired(piece: "Workpiece", trial: "Trial", judge: "Judge | None", given: dict[str, Any]) -> dict[str, Any]:
    """Change `piece` and `trial` as the options ask, tell what was done, and return it for the manifest."""
    from streamd.int8 import quantize  # noqa: PLC0415

    if not (given["partial"] or given["bias_correction"]):
        return {}
    facts: dict[str, Any] = {}
    if given["partial"]:
        if judge is None:
            raise DataError("--partial found no picture to judge on", mend="name some with --judge")
        facts |= left_out(piece, trial, judge, given)
    if given["bias_correction"]:
        facts |= corrected(piece, trial, judge, given)
    if judge is not None:
        trial.agreement = quantize.judged(piece, trial.scales, judge)
    return facts


def left_out(piece: "Workpiece", trial: "Trial", judge: "Judge", given: dict[str, Any]) -> dict[str, Any]:
    """Leave in float the groups that the search finds; returns their names, and what is lost without them.

    Raises:
        DataError: the judge's pictures tell nothing.
        ModelError: no layer would be left in INT8.
    """
    from streamd.int8.groups import only, without  # noqa: PLC0415

    study, noise = judged_groups(piece, trial, judge, given)
    if study.blind:
        raise DataError(f"--partial: {study.blind}", mend="name other pictures with --judge, or a smaller --confidence")
    found = searched(piece, trial, study, sorted(noise, key=lambda group: -noise[group]), given)
    tell(study, found, noise, given)
    plan = without(piece.placement, found.left)
    if not plan.layers:
        raise ModelError(
            f"{piece.path}: --partial leaves no layer in INT8", mend="take a larger --target-drop, or serve the model"
        )
    partly = replace(piece, placement=plan), only(trial.scales, set(plan.tensors))
    if found.left:
        click.echo(cost((piece, trial.scales), partly, judge))
    piece.placement, trial.scales = plan, partly[1]
    return {
        "left_in_float": [name for group in found.left for name in group.layers or group.tensors],
        "drop": round(found.drop, 5),
        "float_share": round(found.share, 4),
    }


def searched(
    piece: "Workpiece", trial: "Trial", study: "Study", ranked: "Sequence[Group]", given: dict[str, Any]
) -> "Found":
    """Return which of the `ranked` groups stay in float."""
    from streamd.int8 import partial  # noqa: PLC0415
    from streamd.int8.groups import float_share, without  # noqa: PLC0415

    def drop(left: "Sequence[Group]") -> float:
        gone = {name for group in left for name in group.tensors}
        return study.of([name for name in trial.scales.activations if name not in gone]).whole["drop"]

    def share(left: "Sequence[Group]") -> float:
        return float_share(piece.graph, without(piece.placement, left).layers, study.sizes)

    with progress(0, "searching") as advance:
        return partial.search(
            ranked, drop, share, target=given["target_drop"], cap=given["max_float"], advance=lambda: advance(1)
        )


def judged_groups(
    piece: "Workpiece", trial: "Trial", judge: "Judge", given: dict[str, Any]
) -> "tuple[Study, dict[Group, float]]":
    """Return a study of what `judge` shows, on its labels where it has some; the noise of each group alone, in dB."""
    from streamd.int8.sensitivity.feed import Feed  # noqa: PLC0415
    from streamd.int8.sensitivity.outcome import Outcome  # noqa: PLC0415
    from streamd.int8.sensitivity.study import Study  # noqa: PLC0415

    spec, rows = piece.manifest.input, max(piece.manifest.batch, 1)
    dataset = judged_labels(piece, given)
    feed = Feed.labelled(spec, dataset, rows) if dataset else Feed.of(spec, judge.pictures, rows)
    labels = dataset.labels if dataset else ()

    def study(feed: "Feed") -> "Study":
        outcome = Outcome(
            piece.manifest, feed.geometries, feed.truths, labels, confidence=given["confidence"], path=piece.path
        )
        return Study(piece.graph, piece.manifest, piece.placement, trial.scales, feed, outcome)

    few = study(feed.few(RANKED_ON))
    with progress(len(few.groups), "ranking") as advance:
        few.advance = lambda: advance(1)
        noise = {group: measure.whole["sqnr"] for group, measure in few.alone()}
    return study(feed), noise


def judged_labels(piece: "Workpiece", given: dict[str, Any]) -> "Dataset | None":
    """Return the labels of those pictures of --judge that the judge shows; None where it has no labels.

    Raises:
        DataError: it shows none of those that are labelled, or the labels are at fault.
    """
    from streamd.int8 import data  # noqa: PLC0415
    from streamd.int8.sensitivity.feed import labels_in  # noqa: PLC0415

    dataset = labels_in(given["judge"], piece.manifest.head)
    if dataset is None:
        return None
    sources = data.find(given["judge"])
    shown = {path.resolve() for path in data.shown_images(sources, seen.JUDGED, part=given["judge_part"])}
    truths = tuple(truth for truth in dataset.truths if truth.path.resolve() in shown)
    if not truths:
        raise DataError("--partial: no picture that --judge shows is labelled", mend="widen --judge-part")
    return replace(dataset, truths=truths)


def tell(study: "Study", found: "Found", noise: "Mapping[Group, float]", given: dict[str, Any]) -> None:
    """Print what stays in float, and why; `noise` is that of each group alone, in dB."""
    name = study.outcome
    click.echo(
        f"partial: {name} {study.quality:.4f} in float, drop {found.plain:.4f} all in INT8, {found.drop:.4f} with "
        f"{len(found.left)} of {len(study.groups)} groups in float ({found.share:.1%} of the multiply-adds, head "
        f"included), {len(found.steps)} sets tried"
    )
    place = {group: 1 + sum(other > own for other in noise.values()) for group, own in noise.items()}
    for group in found.left:
        click.echo(f"  in float: {', '.join(group.layers or group.tensors)}")
        click.echo(f"    alone in INT8 its noise is {noise[group]:.1f} dB, the {place[group]}. of {len(noise)}")
    if not found.reached:
        target, cap = given["target_drop"], given["max_float"]
        full = f"; the head alone has {found.base:.3f}" if found.base > cap else ""
        click.echo(f"note: --target-drop {target:g} is not reached within --max-float {cap:g}{full}", err=True)


def cost(whole: "tuple[Workpiece, Scales]", partly: "tuple[Workpiece, Scales]", judge: "Judge") -> str:
    """Return what leaving groups in float cost in speed: the CPU files `whole` and `partly`, timed in turn."""
    with tempfile.TemporaryDirectory(prefix="streamd-partial-") as folder:
        paths = [
            piece.save(piece.cpu(scales), Path(folder) / f"{i}.onnx")
            for i, (piece, scales) in enumerate((whole, partly))
        ]
        before, after = (row.latency[0].median_ms for row in judge.rows(paths, timed=True))
    return f"  on this CPU: {before:.2f} ms a frame all in INT8, {after:.2f} with these in float"


def corrected(piece: "Workpiece", trial: "Trial", judge: "Judge | None", given: dict[str, Any]) -> dict[str, Any]:
    """Correct biases on pictures of --data, in the way that the judge finds best; without a judge those of weights."""
    from streamd.int8 import bias  # noqa: PLC0415

    inputs = seen.inputs(piece, given, "--bias-correction", CORRECTED_ON)
    inputs = bias.fitting(piece.graph, inputs)
    made = {}
    with progress(len(bias.KINDS) * len(bias.layers(piece.graph, piece.placement, trial.scales)), "biases") as advance:
        for kind, correct in bias.KINDS.items():
            made[kind] = correct(piece.graph, piece.placement, trial.scales, inputs, advance=lambda: advance(1))
    kind = best(piece, trial, judge, made) if judge else "weights"
    piece.repaired = made.get(kind)
    return {"bias_correction": kind, "bias_pictures": len(inputs)}


def best(piece: "Workpiece", trial: "Trial", judge: "Judge", made: "Mapping[str, Graph]") -> str:
    """Return the kind of correction that agrees best with the float model; `none` where none is better than none."""
    from streamd.int8 import quantize  # noqa: PLC0415

    found: dict[str, float] = {}
    for kind, graph in {"none": None, **made}.items():
        piece.repaired = graph
        agreed = quantize.judged(piece, trial.scales, judge)
        found[kind] = agreed.matched50 + agreed.matched90
        click.echo(f"bias correction {kind:11} agreement {agreed.matched50:.4f} at 0.5, {agreed.matched90:.4f} at 0.9")
    return max(found, key=lambda kind: found[kind])
