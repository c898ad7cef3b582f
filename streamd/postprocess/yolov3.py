"""YOLOv3's layout: one raw map a level, (N, 3 * (5 + classes), h, w) or (N, 3, h, w, 5 + classes)."""

from collections.abc import Sequence
from typing import Any, Unpack

import numpy as np
import numpy.typing as npt

from streamd.errors import ModelError
from streamd.frames import F32, Detections
from streamd.letterbox import Letterbox
from streamd.manifest import Manifest
from streamd.postprocess.maps import Cells, check_maps, read_maps, sigmoid
from streamd.postprocess.select import Options, corners, select, unwarned


class YOLOv3:
    """Reads logits; row k of the manifest's anchors belongs to output k.

    Raises:
        ModelError: the manifest has no anchors.
    """

    def __init__(self, manifest: Manifest, **options: Unpack[Options]) -> None:
        if not manifest.anchors:
            raise ModelError(
                "head yolov3 needs anchors, the manifest has none",
                mend='write "anchors": one row of width, height pairs in input pixels for each output, in their order',
            )
        self._manifest = manifest
        self._selection = select(manifest, **options)

    def __call__(self, outputs: Sequence[npt.NDArray[Any]], geometries: Sequence[Letterbox]) -> list[Detections]:
        """Return the detections of each row; ModelError when the outputs have another shape."""
        check_maps(self._manifest, outputs)
        return [self._read(outputs, row, geometry) for row, geometry in enumerate(geometries)]

    @unwarned
    def _read(self, outputs: Sequence[npt.NDArray[Any]], row: int, geometry: Letterbox) -> Detections:
        cells = read_maps(self._manifest, outputs, row, self._selection.confidence)
        chosen = self._selection.candidates(cells.scores)
        boxes = corners(_decode(cells.take(chosen)))
        return self._selection.detections(boxes, cells.scores[chosen], cells.class_ids[chosen], geometry)


def _decode(cells: Cells) -> F32:
    """Return boxes (N, 4) as centre and size (Redmon and Farhadi, YOLOv3, section 2.1)."""
    centre = (sigmoid(cells.raw[:, :2]) + cells.cell) * cells.stride
    size = np.exp(cells.raw[:, 2:4]) * cells.anchor
    return np.concatenate((centre, size), axis=1)
