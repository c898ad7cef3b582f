"""YOLOv5's layout, shared by v7 and, with an objectness of 1, by v6: (N, rows, 5 + classes), decoded.

An export that stops before the decoding gives one map a level instead; the manifest's anchors then say how to read it.
"""

from collections.abc import Sequence
from typing import Any, Unpack

import numpy as np
import numpy.typing as npt

from streamd.frames import F32, Detections
from streamd.letterbox import Letterbox
from streamd.manifest import Manifest
from streamd.postprocess.boxes import Indices
from streamd.postprocess.maps import Cells, check_maps, read_maps, sigmoid
from streamd.postprocess.select import Options, Selection, corners, expect, select, unwarned


class YOLOv5:
    """Reads centre x, centre y, width, height in input pixels, objectness, and class scores; a score is the product."""

    def __init__(self, manifest: Manifest, **options: Unpack[Options]) -> None:
        self._manifest = manifest
        self._selection = select(manifest, **options)

    def __call__(self, outputs: Sequence[npt.NDArray[Any]], geometries: Sequence[Letterbox]) -> list[Detections]:
        """Return the detections of each row; ModelError when the outputs have another shape."""
        if self._manifest.anchors and outputs[0].ndim > 3:
            check_maps(self._manifest, outputs)
            return [self._read_maps(outputs, row, geometry) for row, geometry in enumerate(geometries)]
        labels = len(self._manifest.labels)
        shape = outputs[0].shape
        fits = len(shape) == 3 and (shape[2] == 5 + labels if labels else shape[2] > 5)
        expect(self._manifest, outputs, f"one (N, rows, 5 + {labels or 'classes'})", fits=fits)
        return [self._read(row, geometry) for row, geometry in zip(outputs[0], geometries, strict=False)]

    @unwarned
    def _read(self, values: npt.NDArray[Any], geometry: Letterbox) -> Detections:
        _, boxes, scores, class_ids = best_rows(values, self._selection)
        return self._selection.detections(corners(boxes), scores, class_ids, geometry)

    @unwarned
    def _read_maps(self, outputs: Sequence[npt.NDArray[Any]], row: int, geometry: Letterbox) -> Detections:
        cells = read_maps(self._manifest, outputs, row, self._selection.confidence)
        chosen = self._selection.candidates(cells.scores)
        boxes = corners(_decode(cells.take(chosen)))
        return self._selection.detections(boxes, cells.scores[chosen], cells.class_ids[chosen], geometry)


def best_rows(values: npt.NDArray[Any], selection: Selection) -> tuple[Indices, F32, F32, Indices]:
    """Return the candidates of values (rows, 5 + classes), best first: row numbers, boxes (N, 4), scores, classes.

    A score is objectness times the best class's score, which is at most 1: most rows fall by their objectness alone.
    """
    hopeful = np.flatnonzero(values[:, 4] >= selection.confidence)
    rows = (values if len(hopeful) == len(values) else values[hopeful]).astype(np.float32, copy=False)
    scores = rows[:, 4] * rows[:, 5:].max(axis=1)
    chosen = selection.candidates(scores)
    return hopeful[chosen], rows[chosen, :4], scores[chosen], rows[chosen, 5:].argmax(axis=1)


def _decode(cells: Cells) -> F32:
    """Return boxes (N, 4) as centre and size: YOLOv5's own formulas (its docs, "eliminate grid sensitivity")."""
    centre = (2 * sigmoid(cells.raw[:, :2]) - 0.5 + cells.cell) * cells.stride
    size = (2 * sigmoid(cells.raw[:, 2:4])) ** 2 * cells.anchor
    return np.concatenate((centre, size), axis=1)
