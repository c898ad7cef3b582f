"""`streamd eval` without its command line: several models on one data set, or against a reference on video."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from streamd import manifest
from streamd.decode import picture_from_image, pictures
from streamd.errors import DataError
from streamd.frames import Detections, Picture
from streamd.score import classify, detect, draw, latency
from streamd.score.agreement import MARGIN, Agreement, Tally
from streamd.score.classify import ClassifyScore
from streamd.score.detect import DetectScore
from streamd.score.latency import Latency
from streamd.score.served import Options, Served
from streamd.score.truth import Dataset, Truth

# What mean average precision is measured with; see the package's docstring.
LEAST_CONFIDENCE, NMS_IOU, MOST = 0.001, 0.7, 300
DRAWN_FROM = 0.25  # confidence of the findings that are drawn

Advance = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Row:
    """What is known of one model. `unknown` are the data's labels that it has no class for: they count as missed."""

    model: str
    head: str
    precision: str | None
    size_bytes: int
    unknown: tuple[str, ...] = ()
    detect: DetectScore | None = None
    classify: ClassifyScore | None = None
    agreement: Agreement | None = None
    latency: tuple[Latency, ...] = ()


def evaluate(
    models: Sequence[Path],
    dataset: Dataset,
    options: Options,
    *,
    drawings: Path | None = None,
    advance: Advance = lambda _: None,
) -> list[Row]:
    """Score each of `models` on `dataset`, and time it at batch 1 and at the batch of `options`.

    Confidence, IoU and the most detections are those of the metric, whatever `options` say. `drawings` is a folder
    for pictures with truth and findings; `advance` is told how many pictures were just scored.

    Raises:
        ModelError: a model cannot be used.
        DataError: the data set is at fault, or is not of the models' kind.
        SourceError: a picture cannot be read.
    """
    confidence = 0.0 if dataset.kind == "classify" else LEAST_CONFIDENCE
    options = replace(options, confidence=confidence, iou=NMS_IOU, max_detections=MOST)
    truths: list[Truth] = []
    found: list[list[Detections]] = [[] for _ in models]
    sample: list[Picture] = []
    names = draw.names(dataset) if drawings is not None else []
    with ExitStack() as stack:
        served = [stack.enter_context(closing(Served(path, options, dataset.labels))) for path in models]
        for one in served:
            _check_kind(one, dataset)
        for start in range(0, len(dataset.truths), options.batch):
            shown, chunk = _read(dataset.truths[start : start + options.batch])
            truths += chunk
            sample = sample or shown
            for index, model in enumerate(served):
                seen = model(shown)
                found[index] += seen
                if drawings is not None:
                    folder = drawings / f"{index + 1}-{model.path.stem}"
                    _draw(
                        [folder / name for name in names[start : start + len(shown)]],
                        shown,
                        chunk,
                        seen,
                        dataset.labels,
                    )
            advance(len(shown))
        rows = [_row(model) for model in served]
    latencies = _time(models, options, sample)
    scored = [_score(row, dataset, truths, results) for row, results in zip(rows, found, strict=True)]
    return [replace(row, latency=times) for row, times in zip(scored, latencies, strict=True)]


def compare(
    models: Sequence[Path],
    reference: Path,
    videos: Sequence[Path],
    options: Options,
    reference_options: Options,
    *,
    limit: int = 0,
    advance: Advance = lambda _: None,
) -> list[Row]:
    """Tell how far each of `models` agrees with `reference` on the first `limit` frames of each video, 0 for all.

    Detections count from the confidence of `options`; see `streamd.score.agreement`.

    Raises:
        ModelError: a model cannot be used.
        DataError: two models have no class in common, or there was no frame.
        SourceError: a video cannot be read.
    """
    sample: list[Picture] = []
    with ExitStack() as stack:
        ahead = stack.enter_context(closing(Served(reference, _candid(reference_options))))
        labels = ahead.manifest.labels or None
        served = [stack.enter_context(closing(Served(path, _candid(options), labels))) for path in models]
        tallies = [Tally(options.confidence) for _ in models]
        for shown in _chunks(videos, limit, options.batch):
            sample = sample or shown
            expected = ahead(shown)
            for model, tally in zip(served, tallies, strict=True):
                for one, other in zip(model(shown), expected, strict=True):
                    tally.add(one, other)
            advance(len(shown))
        rows = [_row(model) for model in served]
    if not sample:
        raise DataError("no frame to compare on", mend="name a video with --video")
    agreed = [replace(row, agreement=tally.result()) for row, tally in zip(rows, tallies, strict=True)]
    latencies = _time(models, options, sample)
    return [replace(row, latency=times) for row, times in zip(agreed, latencies, strict=True)]


def _candid(options: Options) -> Options:
    """Return options that also let faint detections through."""
    return replace(options, confidence=max(0.0, options.confidence - MARGIN))


def _read(truths: Sequence[Truth]) -> tuple[list[Picture], list[Truth]]:
    shown = [picture_from_image(truth.path) for truth in truths]
    placed = [truth.within(one.width, one.height) for truth, one in zip(truths, shown, strict=True)]
    return shown, placed


def _chunks(videos: Sequence[Path], limit: int, size: int) -> Iterator[list[Picture]]:
    for video in videos:
        frames = islice(pictures(video), limit or None)
        while chunk := [frame.copy() for frame in islice(frames, size)]:
            yield chunk


def _check_kind(model: Served, dataset: Dataset) -> None:
    kind = "classify" if model.manifest.head == "classify" else "detect"
    if kind != dataset.kind:
        raise DataError(
            f"{model.path} has the head {model.manifest.head}, {dataset.folder} is labelled to {dataset.kind}",
            mend=f"score it on data labelled to {kind}",
        )


def _row(model: Served) -> Row:
    size = model.path.stat().st_size
    return Row(str(model.path), model.manifest.head, _precision(model), size, model.unknown)


def _precision(model: Served) -> str | None:
    """Return the precision that the manifest tells; of an engine without one nothing else tells it."""
    told = model.path.suffix.lower() != ".engine" or manifest.load(model.path) is not None
    return model.manifest.precision if told else None


def _score(row: Row, dataset: Dataset, truths: Sequence[Truth], found: Sequence[Detections]) -> Row:
    if dataset.kind == "classify":
        return replace(row, classify=classify.score(truths, found))
    return replace(row, detect=detect.score(truths, found, dataset.labels))


def _time(models: Sequence[Path], options: Options, sample: Sequence[Picture]) -> list[tuple[Latency, ...]]:
    """Time the models at batch 1 and at the batch asked for, those that can."""
    times: list[tuple[Latency, ...]] = [() for _ in models]
    for batch in sorted({1, options.batch}):
        with ExitStack() as stack:
            loaded = [stack.enter_context(closing(Served(path, replace(options, batch=batch)))) for path in models]
            able = [index for index, model in enumerate(loaded) if model.backend.batch == batch]
            for index, one in zip(able, latency.measure([loaded[i] for i in able], sample), strict=True):
                times[index] += (one,)
    return times


def _draw(
    paths: Sequence[Path],
    shown: Sequence[Picture],
    truths: Sequence[Truth],
    found: Sequence[Detections],
    labels: tuple[str, ...],
) -> None:
    for path, picture, truth, one in zip(paths, shown, truths, found, strict=True):
        draw.write(path, draw.draw(picture, truth, one, labels, DRAWN_FROM))
