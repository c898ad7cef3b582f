"""Where things go on a picture: rectangles on even luma pixels, turned boxes, and room for labels."""

from dataclasses import dataclass

import numpy as np

from streamd.frames import F32, Detections, Picture, Surface

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

    @staticmethod
    def around(box: F32, picture: Image) -> "Rect":
        """Return the smallest even rectangle around `box` that lies in the picture and is not empty."""
        left, right = _span(float(box[0]), float(box[2]), picture.width)
        top, bottom = _span(float(box[1]), float(box[3]), picture.height)
        return Rect(left, top, right, bottom)


def _span(low: float, high: float, size: int) -> tuple[int, int]:
    start = min(max(int(low), 0), size - 1) & ~1
    end = -(-int(np.ceil(min(max(high, 0), size))) // 2) * 2
    return start, min(max(end, start + 2), size)


def bounds(detections: Detections, i: int, picture: Image) -> Rect:
    """Return the upright rectangle around detection `i`."""
    if detections.angles is None:
        return Rect.around(detections.boxes[i], picture)
    points = corners(detections.boxes[i], float(detections.angles[i]))
    return Rect.around(np.concatenate([points.min(axis=0), points.max(axis=0)]), picture)


def place(box: Rect, width: int, height: int, picture: Image, taken: list[Rect]) -> Rect:
    """Choose where a label goes: above its box, else inside its top, else further down until nothing is covered."""
    left = max(0, min(box.left, (picture.width - width) & ~1))
    lowest = (picture.height - height) & ~1
    tops = [box.top - height, *range(box.top, lowest + 1, height), box.bottom]
    inside = [Rect(left, top, left + width, top + height) for top in tops if 0 <= top <= lowest]
    free = (rect for rect in inside if not any(rect.overlaps(other) for other in taken))
    fallback = inside[0] if inside else Rect(left, lowest, left + width, lowest + height)
    return next(free, fallback)


def corners(box: F32, angle: float) -> F32:
    """Return the corners (4, 2) of a box turned by `angle` radians about its centre."""
    box = np.clip(box.astype(np.float64), -_FAR, _FAR)  # so that no sum of two overflows
    centre = (box[:2] + box[2:]) / 2
    half = (box[2:] - box[:2]) / 2
    signs = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]], np.float32)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]], np.float32)
    return ((signs * half) @ turn + centre).astype(np.float32)
