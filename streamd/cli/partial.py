"""`streamd quantize --partial`: what hurts most stays in float."""

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from streamd.cli import seen
from streamd.cli.bar import progress
from streamd.errors import DataError, ModelError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from streamd.int8.groups import Group
    from streamd.int8.judge import Judge
    from streamd.int8.partial import Found
    from streamd.int8.quantize import Trial, Workpiece
    from streamd.int8.scales import Scales
    from streamd.int8.sensitivity.feed import Feed
    from streamd.int8.sensitivity.study import Study
    from streamd.score.truth import Dataset

RANKED_ON = 12  # pictures that groups are ranked by


@dataclass(frozen=True, slots=True)
class Search:
    """What a search by the scales of one method found, of which study; `noise` is that of each group alone, in dB."""

    study: "Study"
    noise: "Mapping[Group, float]"
    found: "Found"


def left_out(
    piece: "Workpiece", trial: "Trial", judge: "Judge", given: dict[str, Any], others: "Sequence[Trial]" = ()
) -> dict[str, Any]:
    """Leave in float the groups that the search finds; returns their names, and what is lost without them.

    `trial` was found better than `others`, but all in INT8, where the model may be ruined: where one of them loses less
    with those groups in float, the search is made again with it, and what came nearer to the target counts, of two
    that reach it the one with less in float. `trial` is then of that method.

    Raises:
        DataError: the judge's pictures tell nothing.
        ModelError: no layer would be left in INT8.
    """
    from streamd.int8.groups import only, without  # noqa: PLC0415

    search = searched(piece, trial, judge, given)
    if other := rival(search, others):
        search = better(trial, search, other, searched(piece, other, judge, given), given)
    found = search.found
    tell(search, given)
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


def searched(piece: "Workpiece", trial: "Trial", judge: "Judge", given: dict[str, Any]) -> Search:
    """Return which groups stay in float with the scales of `trial`.

    Raises:
        DataError: the judge's pictures tell nothing.
    """
    from streamd.int8 import partial  # noqa: PLC0415
    from streamd.int8.groups import float_share, without  # noqa: PLC0415

    study, noise = judged_groups(piece, trial, judge, given)
    if study.blind:
        raise DataError(f"--partial: {study.blind}", mend="name other pictures with --judge, or a smaller --confidence")

    def share(left: "Sequence[Group]") -> float:
        return float_share(piece.graph, without(piece.placement, left).layers, study.sizes)

    with progress(0, "searching") as advance:
        found = partial.search(
            sorted(noise, key=lambda group: -noise[group]),
            lambda left: drop(study, trial, left),
            share,
            target=given["target_drop"],
            cap=given["max_float"],
            advance=lambda: advance(1),
        )
    return Search(study, noise, found)


def drop(study: "Study", trial: "Trial", left: "Sequence[Group]") -> float:
    """Return what is lost with the scales of `trial` and the groups `left` in float."""
    gone = {name for group in left for name in group.tensors}
    tensors = [name for name in trial.scales.activations if name not in gone]
    return study.rescaled(trial.scales).of(tensors).whole["drop"]


def rival(search: Search, others: "Sequence[Trial]") -> "Trial | None":
    """Return which of `others` loses least with the groups in float that were found; None where none loses less."""
    if not (search.found.left and others):
        return None
    with progress(len(others), "comparing methods") as advance:
        drops = []
        for other in others:
            drops.append(round(drop(search.study, other, search.found.left), 3))
            advance(1)
    least = min(drops)
    return others[drops.index(least)] if least < round(search.found.drop, 3) else None


def better(trial: "Trial", search: Search, other: "Trial", again: Search, given: dict[str, Any]) -> Search:
    """Return the better of two searches, tell which, and let `trial` be of its method."""
    both = {trial.method: search.found, other.method: again.found}
    method = min(both, key=lambda name: (max(both[name].drop, given["target_drop"]), both[name].share))
    told = [f"{name} drop {found.drop:.4f} with {found.share:.1%} in float" for name, found in both.items()]
    click.echo(f"partial: {', '.join(told)}: {method} is taken")
    if method == trial.method:
        return search
    trial.method, trial.scales = other.method, other.scales
    return again


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


def tell(search: Search, given: dict[str, Any]) -> None:
    """Print what stays in float, and why."""
    study, noise, found = search.study, search.noise, search.found
    click.echo(
        f"partial: {study.outcome} {study.quality:.4f} in float, drop {found.plain:.4f} all in INT8, {found.drop:.4f} "
        f"with {len(found.left)} of {len(study.groups)} groups in float ({found.share:.1%} of the multiply-adds, head "
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
