"""What `streamd quantize` learns by gradients: --adaround and --qat, with the extra `train`."""

import importlib.util
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from streamd import output
from streamd.cli import seen
from streamd.cli.bar import progress
from streamd.cli.fraction import FRACTION
from streamd.cli.sets import added
from streamd.errors import DataError, ModelError

if TYPE_CHECKING:
    from streamd.int8.graph import Graph
    from streamd.int8.judge import Judge
    from streamd.int8.quantize import Trial, Workpiece
    from streamd.int8.refine import adaround, distill
    from streamd.int8.scales import Scales
    from streamd.int8.session import Array

Options = TypeVar("Options", bound="adaround.Options | distill.Options")
COUNT = click.IntRange(1, 1_000_000)
OPTIONS = (
    click.option("--adaround", is_flag=True, help="Learn how each weight is rounded; needs --data and torch."),
    click.option("--qat", is_flag=True, help="Train against the float model, without labels; needs --data and torch."),
    click.option("--steps", type=COUNT, help="Of a block of --adaround (2000), or of --qat in all (1000)."),
    click.option("--pictures", type=COUNT, help="A step (--adaround 8, --qat 4)."),
    click.option("--block", default=1, show_default=True, type=COUNT, help="Layers that --adaround learns together."),
    click.option("--rate", default=1e-3, show_default=True, type=FRACTION, help="Of learning, --qat."),
    click.option("--freeze-scales", is_flag=True, help="Train weights and biases alone, --qat."),
    click.option("--block-loss", is_flag=True, help="Compare also what blocks give, --qat."),
    click.option(
        "--window", type=click.IntRange(0, 8192), help="Pixels of a picture that --qat sees a step; 0 (usual): all."
    ),
    click.option("--device", default="auto", show_default=True, help="cpu, cuda or cuda:N, to learn on."),
    click.option(
        "--checkpoints",
        type=click.Path(path_type=Path),
        help="A folder where finished work is kept, to go on from there. [default: beside --out, until done]",
    ),
)


options = added(OPTIONS)


def check(given: dict[str, Any]) -> None:
    """Check that what is asked for can be done.

    Raises:
        DataError: there are no pictures to learn from, no torch, or --checkpoints is no folder to write in.
        DeviceError: there is no such device.
    """
    asked = [f"--{name}" for name in ("adaround", "qat") if given[name]]
    if not asked:
        return
    if len(asked) > 1:
        raise click.UsageError("--adaround and --qat start from the same place: give one")
    if not given["data"]:
        raise DataError(f"{asked[0]} needs pictures to learn from", mend="give --data")
    if importlib.util.find_spec("torch") is None:
        raise DataError(f"{asked[0]} needs PyTorch, which is not installed", mend="pip install 'streamd[train]'")
    if given["checkpoints"] is not None:
        output.check_folder(given["checkpoints"], option="--checkpoints")
    from streamd.int8.refine import device  # noqa: PLC0415 - torch takes seconds to import

    given["device"] = device.named(given["device"])


def refined(piece: "Workpiece", trial: "Trial", judge: "Judge | None", given: dict[str, Any]) -> dict[str, Any]:
    """Change `piece` and `trial` by what was learned, where the judge finds it better; return it for the manifest.

    Raises:
        DataError: there is no picture to learn from, or what is done cannot be kept.
        ModelError: torch cannot run the model.
    """
    from streamd.int8 import quantize  # noqa: PLC0415 - see command

    name = next((name for name in ("adaround", "qat") if given[name]), None)
    if name is None:
        return {}
    inputs = seen.inputs(piece, given, f"--{name}")
    folder = given["checkpoints"] or own_folder(piece.path, name, given)
    before = piece.repaired, trial.scales, trial.agreement
    start = time.monotonic()
    piece.repaired, trial.scales = learned(name, piece, trial, inputs, folder, given)
    minutes = (time.monotonic() - start) / 60
    click.echo(f"{name}: {len(inputs)} pictures, {minutes:.1f} minutes on {given['device']}")
    if judge is not None:
        trial.agreement = quantize.judged(piece, trial.scales, judge)
        for what, found in (("before", before[2]), ("after", trial.agreement)):
            if found is not None:
                click.echo(f"{name} {what:6} agreement {found.matched50:.4f} at 0.5, {found.matched90:.4f} at 0.9")
        if trial.rank < replace(trial, agreement=before[2]).rank:
            click.echo(f"note: {name} made it worse, and is not used; try more --data, more --steps", err=True)
            piece.repaired, trial.scales, trial.agreement = before
            return {name: "not used"}
    return {name: {"pictures": len(inputs), "minutes": round(minutes, 1)}}


def learned(
    name: str, piece: "Workpiece", trial: "Trial", inputs: "list[Array]", folder: Path, given: dict[str, Any]
) -> "tuple[Graph | None, Scales]":
    """Return what the way of this name makes of the graph and the scales; tells where an interrupted one goes on.

    Raises:
        ModelError: torch cannot run the model.
    """
    try:
        return WAYS[name](piece, trial, inputs, folder, given)
    except (KeyboardInterrupt, SystemExit):
        if folder.is_dir() and any(folder.iterdir()):
            click.echo(f"interrupted: what is done is kept in {folder}; the same command goes on from there", err=True)
        raise
    except RuntimeError as error:  # of torch, which has no other: a shape that does not fit, memory of the GPU used up
        reason = " ".join(str(error).split())[:200]
        raise ModelError(
            f"{piece.path}: torch cannot run it for --{name}: {reason}",
            mend="if memory is short give fewer --pictures or a smaller --window; else leave it at --partial",
        ) from error


def tidy(model: Path, given: dict[str, Any]) -> None:
    """Remove what was kept to go on from, unless --checkpoints named the place for it."""
    from streamd.int8.refine.checkpoint import Checkpoint  # noqa: PLC0415

    for name in WAYS:
        if given[name] and given["checkpoints"] is None:
            Checkpoint(own_folder(model, name, given), "").clear()


def own_folder(model: Path, name: str, given: dict[str, Any]) -> Path:
    """Return where finished work is kept, unless told otherwise."""
    return Path(given["out"]) / f"{model.stem}.{name}"


def rounded(
    piece: "Workpiece", trial: "Trial", inputs: "list[Array]", folder: Path, given: dict[str, Any]
) -> "tuple[Graph | None, Scales]":
    """Return the graph as it was, and the scales with codes that --adaround learned."""
    from streamd.int8.refine import adaround  # noqa: PLC0415
    from streamd.int8.refine.blocks import blocks  # noqa: PLC0415
    from streamd.int8.refine.checkpoint import Checkpoint, key  # noqa: PLC0415

    chosen = settings(adaround.Options(), given, block=given["block"])
    graph = piece.repaired or piece.graph
    work = graph, piece.placement, trial.scales, inputs, chosen
    kept = Checkpoint(folder, key(*work, teacher=piece.graph))
    with progress(len(blocks(graph, piece.placement, trial.scales, chosen.block)), "adaround") as advance:
        found = adaround.learn(*work, kept, teacher=piece.graph, advance=lambda: advance(1))
    mean = sum(found.errors.values()) / max(len(found.errors), 1)
    click.echo(f"adaround: the blocks' error is {mean:.0%} of that of rounding to nearest, on average")
    return piece.repaired, replace(trial.scales, weights=found.weights)


def trained(
    piece: "Workpiece", trial: "Trial", inputs: "list[Array]", folder: Path, given: dict[str, Any]
) -> "tuple[Graph | None, Scales]":
    """Return the graph and the scales that --qat trained."""
    from streamd.int8.refine import distill  # noqa: PLC0415
    from streamd.int8.refine.checkpoint import Checkpoint, key  # noqa: PLC0415

    own = {"rate": given["rate"], "learn_scales": not given["freeze_scales"], "blocks": given["block_loss"]}
    chosen = settings(distill.Options(), given, **own, window=given["window"] or 0)
    work = piece.repaired or piece.graph, piece.placement, trial.scales, inputs, chosen
    kept = Checkpoint(folder, key(*work, teacher=piece.graph))
    losses: list[float] = []
    with progress(chosen.steps, "training") as advance:
        made = distill.train(*work, kept, teacher=piece.graph, advance=advance, tell=losses.append)
    few = max(1, len(losses) // 10)
    if losses:
        first, last = sum(losses[:few]) / few, sum(losses[-few:]) / few
        click.echo(f"qat: loss {first:.4f} in the first tenth of the steps, {last:.4f} in the last")
    return made


def settings(usual: "Options", given: dict[str, Any], **own: Any) -> "Options":  # noqa: ANN401 - of many types
    """Return the usual options of a way with what was asked for instead, and `own`, which the other way has not."""
    steps, batch = given["steps"] or usual.steps, given["pictures"] or usual.batch
    return replace(usual, steps=steps, batch=batch, device=given["device"], **own)


WAYS = {"adaround": rounded, "qat": trained}
