"""The layout of models that need no suppression (YOLOv10, YOLO26): (N, k, 6), x1, y1, x2, y2, score, class."""

from collections.abc import Sequence
from typing import Any, Unpack

import numpy as np
import numpy.typing as npt

from streamd.frames import Detections
from streamd.letterbox import Letterbox
from streamd.manifest import Manifest
from streamd.postprocess.select import Options, expect, select, unwarned


class End2End:
    """Reads boxes in input pixels; rows that the model did not need have a low score. `iou` has no say here."""

    def __init__(self, manifest: Manifest, **options: Unpack[Options]) -> None:
        self._manifest = manifest
        self._selection = select(manifest, **options)

    def __call__(self, outputs: Sequence[npt.NDArray[Any]], geometries: Sequence[Letterbox]) -> list[Detections]:
        """Return the detections of each row; ModelError when the output has another shape, or a class no label."""
        shape = outputs[0].shape
        expect(self._manifest, outputs, "one (N, k, 6)", fits=len(shape) == 3 and shape[2] == 6)
        return [self._read(row, geometry) for row, geometry in zip(outputs[0], geometries, strict=False)]

    @unwarned
    def _read(self, row: npt.NDArray[Any], geometry: Letterbox) -> Detections:
        chosen = self._selection.candidates(row[:, 4])
        values = row[chosen].astype(np.float32, copy=False)
        return self._selection.detections(values[:, :4], values[:, 4], values[:, 5], geometry, suppress=False)
