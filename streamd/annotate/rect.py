"""Where things go on a picture: rectangles on even luma pixels, turned boxes, and room for labels."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from streamd.frames import F32, I32, Detections, Picture, Surface

Image = Picture | Surface  # of either, only the size matters here

_FAR = 1e9  # pixels


@dataclass(frozen=True, slots=True)
class Rect:
    """Whole pixels, left and top even, right and bottom exclusive and even or the picture's edge."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def width(self) -> int:
        """Columns covered."""
        return self.right - self.left

    @property
    def height(self) -> int:
        """Rows covered."""
        return self.bottom - self.top

    def overlaps(self, other: "Rect") -> bool:
        """Tell whether the two share a pixel."""
        return (
            self.left < other.right and other.left < self.right and self.top < other.bottom and other.top < self.bottom
        )


def bounds(detections: Detections, which: Sequence[int], picture: Image) -> list[Rect]:
    """Return for each detection in `which` the smallest even rectangle around it in the picture, none of them empty."""
    boxes = detections.boxes[which]
    if detections.angles is not None:
        points = corners(boxes, detections.angles[which])
        boxes = np.concatenate([points.min(axis=1), points.max(axis=1)], axis=1)
    left, right = _spans(boxes[:, 0], boxes[:, 2], picture.width)
    top, bottom = _spans(boxes[:, 1], boxes[:, 3], picture.height)
    return [Rect(*edges) for edges in np.stack([left, top, right, bottom], axis=1).tolist()]


def _spans(low: F32, high: F32, size: int) -> tuple[I32, I32]:
    start = np.clip(low, 0, size - 1).astype(np.int32) & ~1
    end = -(-np.ceil(np.clip(high, 0, size)).astype(np.int32) // 2) * 2
    return start, np.minimum(np.maximum(end, start + 2), size)


def place(box: Rect, width: int, height: int, picture: Image, taken: list[Rect]) -> Rect:
    """Choose where a label goes: above its box, else inside its top, else further down until nothing is covered."""
    left = max(0, min(box.left, (picture.width - width) & ~1))
    lowest = (picture.height - height) & ~1
    fallback = None
    for top in (box.top - height, *range(box.top, lowest + 1, height), box.bottom):
        if 0 <= top <= lowest:
            rect = Rect(left, top, left + width, top + height)
            if not any(rect.overlaps(other) for other in taken):
                return rect
            fallback = fallback or rect
    return fallback or Rect(left, lowest, left + width, lowest + height)


def corners(boxes: F32, angles: F32) -> F32:
    """Return the corners (N, 4, 2) of boxes (N, 4) turned by `angles` (N,) radians about their centres."""
    far = np.clip(boxes.astype(np.float64), -_FAR, _FAR)  # so that no sum of two overflows
    centre, half = (far[:, :2] + far[:, 2:]) / 2, (far[:, 2:] - far[:, :2]) / 2
    signs = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]])
    along, across = np.moveaxis(signs * half[:, None], -1, 0)
    cosine, sine = np.cos(angles)[:, None], np.sin(angles)[:, None]
    turned = np.stack([along * cosine - across * sine, along * sine + across * cosine], axis=-1)
    return (turned + centre[:, None]).astype(np.float32)
