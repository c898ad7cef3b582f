"""YOLOv8's layout for rotated boxes, shared by v11 and v12: (N, 4 + classes + 1, rows), the angle last.

The angle is in radians, from x towards y; the box before it is turned has the centre and the size of the first four.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from streamd.frames import F32, Detections
from streamd.letterbox import Letterbox
from streamd.postprocess.boxes import Mask
from streamd.postprocess.rotated import nms_rotated, turned
from streamd.postprocess.select import corners, unwarned
from streamd.postprocess.yolov8 import YOLOv8


class OBB(YOLOv8):
    """Reads what YOLOv8 has, and the angle behind it; its detections have angles, too."""

    other = 5

    @unwarned
    def _read(self, row: npt.NDArray[Any], geometry: Letterbox) -> Detections:
        selection = self._selection
        values = row.astype(np.float32, copy=False)
        best = values[4:-1].max(axis=0)
        chosen = selection.candidates(best)
        boxes, angles = corners(values[:4, chosen].T), values[-1, chosen]
        scores, class_ids = best[chosen], values[4:-1, chosen].argmax(axis=0).astype(np.int32)
        shapes = turned(boxes, angles)
        wanted = shown(shapes, geometry) & (scores < np.inf)
        if selection.classes is not None:
            wanted &= np.isin(class_ids, list(selection.classes))
        rows = np.flatnonzero(wanted)
        kept = rows[nms_rotated(shapes[rows], scores[rows], class_ids[rows], selection.iou, selection.max_detections)]
        placed, turns = to_source(boxes[kept], angles[kept], geometry)
        return Detections(placed, np.minimum(scores[kept], 1), class_ids[kept], turns)


def shown(shapes: F32, geometry: Letterbox) -> Mask:
    """Tell which turned boxes (N, 6) are finite, have an area, and reach into the source with their upright bounds."""
    x, y, width, height, cosine, sine = shapes.T
    across, down = np.abs(width * cosine) + np.abs(height * sine), np.abs(width * sine) + np.abs(height * cosine)
    left, top = np.float32(geometry.left), np.float32(geometry.top)
    right, bottom = left + np.float32(geometry.new_width), top + np.float32(geometry.new_height)
    inside: Mask = (x + across > left) & (x - across < right) & (y + down > top) & (y - down < bottom)
    inside &= (width > 0) & (height > 0) & np.isfinite(shapes).all(axis=1)
    return inside


def to_source(boxes: F32, angles: F32, geometry: Letterbox) -> tuple[F32, F32]:
    """Map boxes (N, 4), before they are turned, and angles (N,) from input pixels to source pixels.

    They are not clipped: what is left of a rotated box at an edge is none. Where the two axes are stretched unequally
    a box becomes a parallelogram; each side keeps its mapped length, and the width its mapped direction.
    """
    scale_x = np.float32(geometry.src_width / geometry.new_width)
    scale_y = np.float32(geometry.src_height / geometry.new_height)
    cosine, sine = np.cos(angles), np.sin(angles)
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2 - np.array([geometry.left, geometry.top], np.float32)
    centre = centre * np.array([scale_x, scale_y])
    half = (boxes[:, 2:] - boxes[:, :2]) / 2
    half = half * np.stack(
        (np.hypot(cosine * scale_x, sine * scale_y), np.hypot(sine * scale_x, cosine * scale_y)), axis=1
    )
    turns: F32 = np.arctan2(sine * scale_y, cosine * scale_x)
    return np.concatenate((centre - half, centre + half), axis=1), turns
