"""`streamd harden`: a model that INT8 ruins, out of one that it does not, to try repairs on."""

from pathlib import Path

import click

from streamd import output
from streamd.cli.fraction import Number
from streamd.errors import DataError, ModelError

PATH = click.Path(path_type=Path)


@click.command("harden")
@click.argument("model", type=PATH)
@click.option("--out", required=True, type=PATH, help="The ONNX file to write; its manifest is written beside it.")
@click.option("--places", default=6, show_default=True, type=click.IntRange(1, 1000), help="Tensors to spread.")
@click.option("--ratio", default=4096.0, show_default=True, type=Number(1, 65536), help="Of channel ranges.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0, 2**53))
def command(model: Path, out: Path, places: int, ratio: float, seed: int) -> None:
    """Spread the channel ranges of MODEL, an ONNX file: the same answers in float, ruin in plain INT8.

    Linear 1x1 layers go in that multiply channels by powers of two, up to --ratio apart, and the layers after them
    divide again. For trying `streamd sensitivity` and the repairs of `streamd quantize` on, and for tests.
    """
    from msgspec.structs import replace  # noqa: PLC0415 - the libraries take longer than `streamd --help` may

    from streamd import infer, log  # noqa: PLC0415
    from streamd import manifest as sidecars  # noqa: PLC0415
    from streamd.infer import files  # noqa: PLC0415
    from streamd.int8 import graph, hard  # noqa: PLC0415

    log.setup("warning", "console")
    output.tidy_when_told_to_end()
    if out.suffix != ".onnx":
        raise DataError(f"--out {out}: is no ONNX file", mend="give it a name that ends in .onnx")
    output.check_file(out, option="--out")
    if out.resolve() == model.resolve():
        raise DataError(f"--out {out}: is the model itself", mend="name another file")
    ready = graph.load(model)
    backend = infer.load(model)
    backend.close()
    spread = hard.harden(ready, places, ratio, seed)
    try:
        output.write(out, ready.model.SerializeToString())
    except OSError as error:
        raise ModelError(f"{out}: {error.strerror}", mend="name a file that can be written") from error
    sidecars.save(replace(backend.manifest, sha256=files.sha256(out)), out)
    for tensor in spread:
        click.echo(f"spread {tensor}")
    click.echo(f"wrote {out}")
