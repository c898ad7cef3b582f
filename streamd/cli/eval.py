"""`streamd eval`: models side by side, on labels or against a reference."""

from pathlib import Path
from typing import Literal

import click

from streamd import output
from streamd.cli.bar import progress
from streamd.cli.fraction import FRACTION
from streamd.config.files import locate

Sum = click.Choice(["host", "exact"])


@click.command(name="eval")
@click.argument("models", metavar="MODEL...", nargs=-1, required=True)
@click.option("--data", type=click.Path(path_type=Path), help="A labelled data set: COCO, YOLO, or a folder a class.")
@click.option("--reference", metavar="MODEL", help="Without labels: the model to agree with.")
@click.option("--video", "videos", multiple=True, type=click.Path(path_type=Path), help="What to agree on. Repeatable.")
@click.option("--batch", default=1, show_default=True, type=click.IntRange(1, 256), help="Pictures in one run.")
@click.option("--threads", default=0, type=click.IntRange(0, 256), help="Of ONNX Runtime; 0 (the default): one a core.")
@click.option("--device", default="cuda:0", show_default=True, help="The GPU that engines run on.")
@click.option("--limit", default=0, type=click.IntRange(0), help="Pictures, spread over the data, or frames a video.")
@click.option("--confidence", default=0.25, show_default=True, type=FRACTION, help="With --reference.")
@click.option("--preprocess", default="host", show_default=True, type=Sum, help="Of the models.")
@click.option("--reference-preprocess", default="host", show_default=True, type=Sum, help="Of the reference.")
@click.option("--draw", type=click.Path(path_type=Path), help="A folder for pictures with truth and findings.")
@click.option("--json", "shape", flag_value="json", help="Print one JSON object.")
@click.option("--markdown", "shape", flag_value="markdown", help="Print Markdown.")
def command(
    models: tuple[str, ...],
    data: Path | None,
    reference: str | None,
    videos: tuple[Path, ...],
    batch: int,
    threads: int,
    device: str,
    limit: int,
    confidence: float,
    preprocess: Literal["host", "exact"],
    reference_preprocess: Literal["host", "exact"],
    draw: Path | None,
    shape: Literal["json", "markdown"] | None,
) -> None:
    """Score models side by side, through the daemon's own preprocessing, backend and head.

    ONNX files run on the CPU, engines on a GPU: one table for the float model, its INT8 and what was built of them.

    \b
    streamd eval a.onnx b.onnx --data DIR                      mAP, or Top-1 and Top-5
    streamd eval b.onnx --reference a.onnx --video cam.mp4     how far b finds what a finds

    mAP counts detections from a confidence of 0.001 on, NMS at an IoU of 0.7, at most 300 a picture. Agreement is of
    detections from --confidence on. Latency is of one run, median and 95th percentile, the models in turn.
    Differences are to the first model.
    """  # noqa: D301 - click reads the sign \b, and passes over the two of a raw string
    from streamd import log  # noqa: PLC0415 - `streamd --help` must not load the rooms
    from streamd.score import dataset, evaluate, served, table  # noqa: PLC0415

    log.setup("warning", "console")
    options = served.Options(batch, threads, preprocess, confidence, device=device)
    paths = [locate(model, Path()) for model in models]
    if draw is not None:
        output.check_folder(draw, option="--draw")
    if data is not None and reference is None and not videos:
        labelled = dataset.read(data).spread(limit)
        with progress(len(labelled.truths), "scoring") as advance:
            rows = evaluate.evaluate(paths, labelled, options, drawings=draw, advance=advance)
    elif reference is not None and data is None and videos:
        against = locate(reference, Path())
        theirs = served.Options(batch, threads, reference_preprocess, confidence, device=device)
        with progress(limit * len(videos), "comparing") as advance:
            rows = evaluate.compare(paths, against, videos, options, theirs, limit=limit, advance=advance)
    else:
        raise click.UsageError("give either --data DIR, or --reference MODEL and --video FILE")
    click.echo({"json": table.as_json, "markdown": table.as_markdown}.get(shape or "", table.as_text)(rows))
