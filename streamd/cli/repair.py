"""What `streamd quantize` does for models that plain INT8 hurts: --partial and --bias-correction."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from streamd.cli.bar import progress
from streamd.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from streamd.int8.graph import Graph
    from streamd.int8.groups import Group
    from streamd.int8.judge import Judge
    from streamd.int8.partial import Found
    from streamd.int8.quantize import Trial, Workpiece
    from streamd.int8.sensitivity.feed import Feed
    from streamd.int8.sensitivity.study import Study

Command = TypeVar("Command", bound=Callable[..., Any])
RANKED_ON = 12  # pictures that groups are ranked by
CORRECTED_ON = 32  # pictures that biases are corrected on, at most
OPTIONS = (
    click.option("--partial", is_flag=True, help="Leave in float what hurts most, until --target-drop is met."),
    click.option(
        "--target-drop",
        default=0.01,
        show_default=True,
        type=click.FloatRange(0, 1),
        help="Of mAP if --judge is a labelled data set, else of agreement (the mean of those at IoU 0.5 and 0.9).",
    ),
    click.option(
        "--max-float",
        default=0.3,
        show_default=True,
        type=click.FloatRange(0, 1),
        help="Of the multiply-adds, that --partial may leave in float.",
    ),
    click.option("--bias-correction", is_flag=True, help="Let biases make up for rounding; needs --data."),
)


def options(command: Command) -> Command:
    """Add the options of this file to a command."""
    for option in reversed(OPTIONS):
        command = option(command)
    return command


def check(given: dict[str, Any]) -> None:
    """Check that what is asked for can be done.

    Raises:
        DataError: --bias-correction has no pictures to be calibrated on, or --partial none to be judged on.
    """
    if given["bias_correction"] and not given["data"]:
        raise DataError("--bias-correction needs pictures to calibrate on", mend="give --data")
    if given["partial"] and not (given["data"] or given["judge"]):
        raise DataError("--partial needs pictures to judge on", mend="name some with --judge, or give --data")


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
    """Leave in float the groups that the search finds; returns their names, and what is lost without them."""
    from streamd.int8 import partial  # noqa: PLC0415
    from streamd.int8.groups import float_share, only, without  # noqa: PLC0415

    study, ranked = judged_groups(piece, trial, judge, given)

    def drop(left: "Sequence[Group]") -> float:
        gone = {name for group in left for name in group.tensors}
        return study.of([name for name in trial.scales.activations if name not in gone]).whole["drop"]

    def share(left: "Sequence[Group]") -> float:
        return float_share(piece.graph, without(piece.placement, left).layers, study.sizes)

    with progress(0, "searching") as advance:
        found = partial.search(
            ranked, drop, share, target=given["target_drop"], cap=given["max_float"], advance=lambda: advance(1)
        )
    whole = piece.placement, trial.scales
    piece.placement = without(piece.placement, found.left)
    trial.scales = only(trial.scales, set(piece.placement.tensors))
    tell(study, found, given)
    if found.left:
        click.echo(cost(piece, trial, judge, whole))
    return {
        "left_in_float": [name for group in found.left for name in group.layers or group.tensors],
        "drop": round(found.drop, 5),
        "float_share": round(found.share, 4),
    }


def judged_groups(
    piece: "Workpiece", trial: "Trial", judge: "Judge", given: dict[str, Any]
) -> "tuple[Study, list[Group]]":
    """Return a study of what `judge` shows, on its labels where there are any, and the groups by what each loses."""
    from streamd.int8.sensitivity.feed import Feed, labels_in  # noqa: PLC0415
    from streamd.int8.sensitivity.outcome import Outcome  # noqa: PLC0415
    from streamd.int8.sensitivity.study import Study  # noqa: PLC0415

    spec, confidence = piece.manifest.input, given["confidence"]
    dataset = labels_in(given["judge"], piece.manifest.head)
    labels = dataset.labels if dataset else ()
    feed = Feed.labelled(spec, dataset.spread(len(judge.pictures))) if dataset else Feed.of(spec, judge.pictures)

    def study(feed: "Feed") -> "Study":
        outcome = Outcome(piece.manifest, feed.geometries, feed.truths, labels, confidence=confidence, path=piece.path)
        return Study(piece.graph, piece.manifest, piece.placement, trial.scales, feed, outcome)

    few = study(feed.few(RANKED_ON))
    with progress(len(few.groups), "ranking") as advance:
        few.advance = lambda: advance(1)
        measured = {group: measure.whole["sqnr"] for group, measure in few.alone()}
    return study(feed), sorted(measured, key=lambda group: -measured[group])


def tell(study: "Study", found: "Found", given: dict[str, Any]) -> None:
    """Print what stays in float, and why."""
    name = study.outcome
    click.echo(
        f"partial: {name} {study.quality:.4f} in float, drop {found.plain:.4f} all in INT8, {found.drop:.4f} with "
        f"{len(found.left)} of {len(study.groups)} groups in float ({found.share:.1%} of the multiply-adds, head "
        f"included), {len(found.steps)} sets tried"
    )
    for group in found.left:
        click.echo(f"  in float: {', '.join(group.layers or group.tensors)}")
    if not found.reached:
        click.echo(
            f"note: --target-drop {given['target_drop']:g} is not reached within --max-float {given['max_float']:g}",
            err=True,
        )


def cost(piece: "Workpiece", trial: "Trial", judge: "Judge", whole: Any) -> str:  # noqa: ANN401 - see left_out
    """Return what leaving groups in float cost in speed: the CPU file with them and without, timed in turn."""
    placement, scales = piece.placement, trial.scales
    with tempfile.TemporaryDirectory(prefix="streamd-partial-") as folder:
        paths = [piece.save(piece.cpu(scales), Path(folder) / "partial.onnx")]
        piece.placement = whole[0]
        paths.append(piece.save(piece.cpu(whole[1]), Path(folder) / "all.onnx"))
        piece.placement = placement
        partly, all_ = (row.latency[0].median_ms for row in judge.rows(paths, timed=True))
    return f"  on this CPU: {all_:.2f} ms a frame all in INT8, {partly:.2f} with these in float"


def corrected(piece: "Workpiece", trial: "Trial", judge: "Judge | None", given: dict[str, Any]) -> dict[str, Any]:
    """Correct biases on pictures of --data, in the way that the judge finds best; without a judge those of weights."""
    from streamd.int8 import bias, data  # noqa: PLC0415

    shown = data.shown(data.find(given["data"]), given["frames"], part=given["part"])
    calibrated = [one.copy() for i, one in enumerate(shown) if i % 4 != 3]  # every fourth may have been held out
    step = max(1, -(-len(calibrated) // CORRECTED_ON))
    inputs = [one.copy() for one in data.inputs(piece.manifest.input, calibrated[::step])]
    if not inputs:
        raise DataError("--bias-correction found no picture in --data", mend="name pictures or videos")
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
