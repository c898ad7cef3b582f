"""The raw maps of anchor-based heads: find the cells worth decoding, and what each needs for it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from streamd.frames import F32
from streamd.manifest import Manifest
from streamd.postprocess.boxes import Indices
from streamd.postprocess.select import expect


@dataclass(frozen=True, slots=True)
class Cells:
    """Candidate cells.

    raw (N, 4) logits x, y, w, h; cell (N, 2) column, row; stride (N, 2), anchor (N, 2) pixels; scores, class_ids (N,).
    """

    raw: F32
    cell: F32
    stride: F32
    anchor: F32
    scores: F32
    class_ids: npt.NDArray[np.intp]

    def take(self, rows: Indices) -> "Cells":
        """Return some of the cells, in the order of `rows`."""
        return Cells(
            self.raw[rows],
            self.cell[rows],
            self.stride[rows],
            self.anchor[rows],
            self.scores[rows],
            self.class_ids[rows],
        )


def check_maps(manifest: Manifest, outputs: Sequence[npt.NDArray[Any]]) -> None:
    """Refuse maps that do not fit the manifest's anchors and labels.

    Raises:
        ModelError: names both sides.
    """
    fits = len(outputs) == len(manifest.anchors) and all(
        _fits(output.shape, len(pairs) // 2, len(manifest.labels))
        for output, pairs in zip(outputs, manifest.anchors, strict=True)
    )
    values = f"5 + {len(manifest.labels) or 'classes'}"
    wanted = f"{len(manifest.anchors)} maps (N, anchors * ({values}), h, w) or (N, anchors, h, w, {values})"
    expect(manifest, outputs, wanted, fits=fits)


def read_maps(manifest: Manifest, outputs: Sequence[npt.NDArray[Any]], row: int, confidence: float) -> Cells:
    """Return the cells of batch row `row` whose objectness alone reaches `confidence`; scores are the product.

    They are ordered by output, anchor, map row and map column.
    """
    levels = []
    for output, pairs in zip(outputs, manifest.anchors, strict=True):
        anchors = np.array(pairs, np.float32).reshape(-1, 2)
        levels.append(_read_level(_by_anchor(output[row], len(anchors)), anchors, manifest, confidence))
    return Cells(*(np.concatenate(part) for part in zip(*levels, strict=True)))


def sigmoid(logits: F32) -> F32:
    """Return 1 / (1 + exp(-x)), in the form that cannot overflow."""
    probability: F32 = 0.5 * (1 + np.tanh(0.5 * logits))
    return probability


def _fits(shape: tuple[int, ...], anchors: int, labels: int) -> bool:
    values = 5 + labels
    if len(shape) == 5:
        return shape[1] == anchors and (shape[4] == values if labels else shape[4] > 5)
    return len(shape) == 4 and (shape[1] == anchors * values if labels else shape[1] % anchors == 0)


def _by_anchor(level: npt.NDArray[Any], anchors: int) -> npt.NDArray[Any]:
    """Return a view (anchors, 5 + classes, h, w) of one level in either layout."""
    if level.ndim == 4:
        return level.transpose(0, 3, 1, 2)
    return level.reshape(anchors, -1, *level.shape[1:])


def _read_level(
    level: npt.NDArray[Any], anchors: F32, manifest: Manifest, confidence: float
) -> tuple[npt.NDArray[Any], ...]:
    height, width = level.shape[2:]
    anchor, y, x = np.nonzero(level[:, 4] >= _logit(confidence))
    values = level[anchor, :, y, x].astype(np.float32, copy=False)
    class_ids = values[:, 5:].argmax(axis=1)
    scores = sigmoid(values[:, 4]) * sigmoid(values[np.arange(len(values)), 5 + class_ids])
    stride = np.array([manifest.input.width / width, manifest.input.height / height], np.float32)
    return (
        values[:, :4],
        np.stack((x, y), axis=1).astype(np.float32),
        np.broadcast_to(stride, (len(values), 2)),
        anchors[anchor],
        scores,
        class_ids,
    )


def _logit(probability: float) -> float:
    """Return the logit of a threshold, a hair lower: rounding may not lose what the product's test would keep."""
    if probability <= 0:
        return -math.inf
    if probability >= 1:
        return 15.0  # float32's sigmoid is 1 from about here on
    return math.log(probability / (1 - probability)) - 1e-3
