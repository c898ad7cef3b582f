"""COCO's mean average precision of detections against their truth, computed by faster-coco-eval."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from streamd.errors import DataError
from streamd.frames import F32, Detections
from streamd.score.truth import Truth


@dataclass(frozen=True, slots=True)
class ClassScore:
    """The average precision of one class; None where the data set shows none of it."""

    label: str
    objects: int
    ap50_95: float | None
    ap50: float | None


@dataclass(frozen=True, slots=True)
class DetectScore:
    """Mean average precision over the classes that the data set shows: at IoU 0.50:0.05:0.95, and at 0.50."""

    map50_95: float
    map50: float
    classes: tuple[ClassScore, ...]


def score(truths: Sequence[Truth], found: Sequence[Detections], labels: Sequence[str]) -> DetectScore:
    """Score what was `found` on each picture against `truths`, whose boxes are in pixels.

    Of each picture and class the best 100 detections are read, as COCO does.

    Raises:
        DataError: there is nothing to be found in the data set, or faster-coco-eval is not installed.
    """
    objects = np.bincount(
        np.concatenate([truth.class_ids[~truth.crowd] for truth in truths] or [np.zeros(0, int)]),
        minlength=len(labels),
    )
    if not objects.any():
        raise DataError("the data set shows no object", mend="score on labelled pictures, or use --reference")
    precision = _precision(_truth(truths, labels), _rows(found))
    classes = tuple(
        ClassScore(label, int(objects[index]), _mean(precision[:, :, index]), _mean(precision[:1, :, index]))
        for index, label in enumerate(labels)
    )
    return DetectScore(_mean(precision) or 0.0, _mean(precision[:1]) or 0.0, classes)


def _precision(truth: dict[str, Any], rows: list[dict[str, Any]]) -> npt.NDArray[np.float64]:
    """Return the interpolated precision (IoU, recall, class), over objects of every size; -1 where there are none."""
    try:
        from faster_coco_eval import COCO, COCOeval_faster  # type: ignore[import-untyped] # noqa: PLC0415
    except ImportError as error:
        raise DataError("faster-coco-eval is not installed", mend="pip install 'streamd[toolchain]'") from error
    shown = {row["category_id"] for row in truth["annotations"] if not row["iscrowd"]}
    if not rows:
        precision = np.zeros((10, 101, len(truth["categories"])))
        precision[:, :, [row["id"] not in shown for row in truth["categories"]]] = -1
        return precision
    judge_truth = COCO(truth, print_function=_quiet)
    judge = COCOeval_faster(judge_truth, judge_truth.loadRes(rows), "bbox", print_function=_quiet)
    judge.evaluate()
    judge.accumulate()
    every_size, most = 0, -1
    table: npt.NDArray[np.float64] = judge.eval["precision"][:, :, :, every_size, most]
    return table


def _truth(truths: Sequence[Truth], labels: Sequence[str]) -> dict[str, Any]:
    annotations = [
        {"id": number, "image_id": image, "category_id": int(kind), "bbox": box, "area": box[2] * box[3]}
        | {"iscrowd": int(crowd)}
        for number, (image, kind, box, crowd) in enumerate(_annotations(truths), start=1)
    ]
    categories = [{"id": index, "name": label} for index, label in enumerate(labels)]
    return {
        "info": {},
        "images": [{"id": image} for image in range(len(truths))],
        "annotations": annotations,
        "categories": categories,
    }


def _annotations(truths: Sequence[Truth]) -> Iterable[tuple[int, int, list[float], bool]]:
    for image, truth in enumerate(truths):
        for kind, box, crowd in zip(truth.class_ids, _sized(truth.boxes), truth.crowd, strict=True):
            yield image, kind, box, crowd


def _rows(found: Sequence[Detections]) -> list[dict[str, Any]]:
    return [
        {"image_id": image, "category_id": int(kind), "score": float(confidence), "bbox": box}
        for image, one in enumerate(found)
        for kind, confidence, box in zip(one.class_ids, one.scores, _sized(one.boxes), strict=True)
    ]


def _sized(boxes: F32) -> list[list[float]]:
    """Return boxes x1, y1, x2, y2 as x, y, width, height."""
    wide = boxes.astype(np.float64)
    sized: list[list[float]] = np.concatenate((wide[:, :2], wide[:, 2:] - wide[:, :2]), axis=1).tolist()
    return sized


def _mean(precision: npt.NDArray[np.float64]) -> float | None:
    known = precision[precision > -1]
    return float(known.mean()) if known.size else None


def _quiet(*_: object) -> None:
    pass
