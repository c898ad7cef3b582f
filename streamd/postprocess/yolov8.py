"""YOLOv8's layout, shared by v9, v11 and v12: (N, 4 + classes, rows), decoded boxes over class scores."""

from collections.abc import Sequence
from typing import Any, ClassVar, Unpack

import numpy as np
import numpy.typing as npt

from streamd.frames import Detections
from streamd.letterbox import Letterbox
from streamd.manifest import Manifest
from streamd.postprocess.select import Options, corners, expect, select, unwarned


class YOLOv8:
    """Reads centre x, centre y, width, height in input pixels, and scores already through the sigmoid."""

    other: ClassVar[int] = 4  # how many rows of the output are no scores: here those of the box

    def __init__(self, manifest: Manifest, **options: Unpack[Options]) -> None:
        self._manifest = manifest
        self._selection = select(manifest, **options)

    def __call__(self, outputs: Sequence[npt.NDArray[Any]], geometries: Sequence[Letterbox]) -> list[Detections]:
        """Return the detections of each row; ModelError when the output has another shape."""
        labels = len(self._manifest.labels)
        shape = outputs[0].shape
        fits = len(shape) == 3 and (shape[1] == self.other + labels if labels else shape[1] > self.other)
        expect(self._manifest, outputs, f"one (N, {self.other} + {labels or 'classes'}, rows)", fits=fits)
        return [self._read(row, geometry) for row, geometry in zip(outputs[0], geometries, strict=False)]

    @unwarned
    def _read(self, row: npt.NDArray[Any], geometry: Letterbox) -> Detections:
        values = row.astype(np.float32, copy=False)
        best = values[4:].max(axis=0)
        chosen = self._selection.candidates(best)
        class_ids = values[4:, chosen].argmax(axis=0)
        return self._selection.detections(corners(values[:4, chosen].T), best[chosen], class_ids, geometry)
