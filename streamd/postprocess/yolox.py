"""YOLOX's layout: (N, rows, 5 + classes), scores through the sigmoid, boxes still in units of their cell.

xy = (xy + cell) * stride, wh = exp(wh) * stride, rows ordered by stride 8, 16, 32, then map row, then map column
(Ge et al., YOLOX, and Megvii's ONNX demo).
"""

from collections.abc import Sequence
from typing import Any, Unpack

import numpy as np
import numpy.typing as npt

from streamd.frames import F32, Detections
from streamd.letterbox import Letterbox
from streamd.manifest import Manifest
from streamd.postprocess.select import Options, corners, expect, select, unwarned
from streamd.postprocess.yolov5 import best_rows

STRIDES = (8, 16, 32)


class YOLOX:
    """Reads objectness times class score; only rows that pass are decoded."""

    def __init__(self, manifest: Manifest, **options: Unpack[Options]) -> None:
        self._manifest = manifest
        self._selection = select(manifest, **options)
        self._grid = _grid(manifest.input.width, manifest.input.height)

    def __call__(self, outputs: Sequence[npt.NDArray[Any]], geometries: Sequence[Letterbox]) -> list[Detections]:
        """Return the detections of each row; ModelError when the output has another shape."""
        labels = len(self._manifest.labels)
        shape = outputs[0].shape
        fits = len(shape) == 3 and shape[1] == len(self._grid) and (shape[2] == 5 + labels if labels else shape[2] > 5)
        expect(self._manifest, outputs, f"one (N, {len(self._grid)}, 5 + {labels or 'classes'})", fits=fits)
        return [self._read(row, geometry) for row, geometry in zip(outputs[0], geometries, strict=False)]

    @unwarned
    def _read(self, values: npt.NDArray[Any], geometry: Letterbox) -> Detections:
        at, raw, scores, class_ids = best_rows(values, self._selection)
        return self._selection.detections(corners(_decode(raw, self._grid[at])), scores, class_ids, geometry)


def _grid(width: int, height: int) -> F32:
    """Return (rows, 3): column, row and stride of the cell that each output row belongs to."""
    levels = []
    for stride in STRIDES:
        row, column = np.indices((height // stride, width // stride), np.float32)
        levels.append(np.stack((column, row, np.full_like(row, stride)), axis=-1).reshape(-1, 3))
    return np.concatenate(levels)


def _decode(raw: F32, grid: F32) -> F32:
    centre = (raw[:, :2] + grid[:, :2]) * grid[:, 2:]
    size = np.exp(raw[:, 2:]) * grid[:, 2:]
    return np.concatenate((centre, size), axis=1)
