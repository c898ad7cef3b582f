"""`streamd lint`: what is wrong with a quantized model, why, and the mend."""

from pathlib import Path

import click

from streamd.errors import ModelError


@click.command("lint")
@click.argument("model", type=click.Path(path_type=Path))
@click.option(
    "--runtime",
    type=click.Choice(["tensorrt", "onnxruntime"]),
    help="Whose rules hold. Left out: onnxruntime for a file that ends in .cpu.onnx, else tensorrt.",
)
def command(model: Path, runtime: str | None) -> None:
    """Check the Q/DQ nodes of MODEL, an ONNX file, and tell what hurts and the mend.

    Exits 1 where a finding is an error: the runtime would refuse the model, or answer wrongly.
    """
    from streamd.int8 import graph  # noqa: PLC0415 - onnx takes longer to import than `streamd --help` may
    from streamd.int8.lint import lint  # noqa: PLC0415

    kind = runtime or ("onnxruntime" if model.name.endswith(".cpu.onnx") else "tensorrt")
    loaded = graph.read(model)
    if not {node.op_type for node in loaded.graph.node} & graph.QUANTIZED:
        raise ModelError(f"{model}: is not quantized", mend="name a file that `streamd quantize` wrote, or its like")
    findings = lint(loaded, "onnxruntime" if kind == "onnxruntime" else "tensorrt")
    for finding in findings:
        click.echo(finding)
    errors = sum(finding.severity == "error" for finding in findings)
    click.echo(f"{model}: {errors} errors, {len(findings) - errors} warnings, by the rules of {kind}")
    if errors:
        raise SystemExit(1)
