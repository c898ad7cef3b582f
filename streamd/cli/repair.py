"""What `streamd quantize` does for models that plain INT8 hurts: --equalize, --partial and --bias-correction."""

from typing import TYPE_CHECKING, Any

import click

from streamd.cli import partial, seen
from streamd.cli.bar import progress
from streamd.cli.fraction import FRACTION
from streamd.cli.sets import added
from streamd.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from streamd.int8.graph import Graph
    from streamd.int8.judge import Judge
    from streamd.int8.quantize import Trial, Workpiece

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


def repaired(
    piece: "Workpiece", trial: "Trial", judge: "Judge | None", given: dict[str, Any], others: "Sequence[Trial]" = ()
) -> dict[str, Any]:
    """Change `piece` and `trial` as the options ask, tell what was done, and return it for the manifest.

    `others` are the trials of other methods, one of which may be better once something is left in float.
    """
    from streamd.int8 import quantize  # noqa: PLC0415

    if not (given["partial"] or given["bias_correction"]):
        return {}
    facts: dict[str, Any] = {}
    if given["partial"]:
        if judge is None:
            raise DataError("--partial found no picture to judge on", mend="name some with --judge")
        facts |= partial.left_out(piece, trial, judge, given, others)
    if given["bias_correction"]:
        facts |= corrected(piece, trial, judge, given)
    if judge is not None:
        trial.agreement = quantize.judged(piece, trial.scales, judge)
    return facts


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
