"""Boxes and labels drawn on the YUV planes of a picture in host memory.

A label is rendered once and kept: its text fades from the ground to black or white in Y, and to grey in U and V.
"""

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from streamd.annotate import colours, layout, rect
from streamd.annotate.colours import Rgb, Yuv
from streamd.annotate.layout import Style
from streamd.annotate.lettering import lay_out, write
from streamd.annotate.recent import Recent
from streamd.annotate.rect import Rect, corners
from streamd.frames import F32, U8, Colour, Detections, Picture

CACHED_LABELS = 512  # "person 87%" and its like: 80 classes at the scores that occur


class HostAnnotate:
    """Draws detections on copies of pictures. One thread at a time."""

    def __init__(self, labels: Sequence[str]) -> None:
        """Take the names of the classes; one beyond them is called by its number."""
        self._labels = tuple(labels)
        self._stamps: Recent[tuple[str, int, int, Colour], Picture] = Recent(CACHED_LABELS)

    def __call__(self, picture: Picture, detections: Detections) -> Picture:
        """Return a copy of `picture` with every box and label drawn; best scores are drawn last, on top."""
        drawn = picture.copy()
        style = Style.of(drawn)
        order = layout.order(detections)
        bounds = rect.bounds(detections, order, picture)
        _boxes(drawn, detections, order, bounds, style)
        if style.text_height:

            def make(text: str, class_id: int) -> Picture:
                return self._stamp(text, class_id, style.text_height, picture.colour)

            for stamp, where in layout.place_labels(drawn, detections, order, bounds, self._labels, make):
                _press(drawn, where, stamp)
        return drawn

    def _stamp(self, text: str, class_id: int, height: int, colour: Colour) -> Picture:
        key = (text, class_id, height, colour)
        return self._stamps.get(key, lambda: _render(text, colours.of_class(class_id), height, colour))


def _boxes(
    picture: Picture, detections: Detections, order: Sequence[int], bounds: Sequence[Rect], style: Style
) -> None:
    tints = [colours.to_yuv(colours.of_class(int(detections.class_ids[i])), picture.colour) for i in order]
    if detections.angles is not None:
        for points, tint in zip(corners(detections.boxes[order], detections.angles[order]), tints, strict=True):
            _outline(picture, points, tint, style.line)
        return
    for around, tint in zip(bounds, tints, strict=True):
        for side in layout.sides(around, style.line):
            _fill(picture, side, tint)


def _fill(picture: Picture, where: Rect, colour: Yuv) -> None:
    picture.y[where.top : where.bottom, where.left : where.right] = colour[0]
    rows, columns = _chroma(where)
    picture.u[rows, columns] = colour[1]
    picture.v[rows, columns] = colour[2]


def _press(picture: Picture, where: Rect, stamp: Picture) -> None:
    picture.y[where.top : where.bottom, where.left : where.right] = stamp.y
    rows, columns = _chroma(where)
    picture.u[rows, columns] = stamp.u
    picture.v[rows, columns] = stamp.v


def _chroma(where: Rect) -> tuple[slice, slice]:
    return (
        slice(where.top // 2, (where.bottom + 1) // 2),
        slice(where.left // 2, (where.right + 1) // 2),
    )


def _outline(picture: Picture, points: F32, colour: Yuv, line: int) -> None:
    limit = 4 * max(picture.width, picture.height)  # keeps OpenCV's fixed-point coordinates from overflowing
    whole = np.clip(np.rint(points), -limit, limit).astype(np.int32)
    cv2.polylines(picture.y, [whole], True, (colour[0],), line)
    for plane, value in ((picture.u, colour[1]), (picture.v, colour[2])):
        cv2.polylines(plane, [whole // 2], True, (value,), max(1, line // 2))


def _render(text: str, rgb: Rgb, height: int, colour: Colour) -> Picture:
    """Return a label: `text`, its capitals `height` pixels high, on a ground of `rgb`; both sides are even."""
    letters = lay_out(text, height)
    mask = np.zeros((letters.height, letters.width), np.uint8)
    write(mask, text, letters.left, letters.baseline, letters.scale)
    halved = cv2.resize(mask, (mask.shape[1] // 2, mask.shape[0] // 2), interpolation=cv2.INTER_AREA)
    ground, ink = colours.to_yuv(rgb, colour), colours.to_yuv(colours.text_on(rgb), colour)
    y, u, v = (_blend(plane, ground[i], ink[i]) for i, plane in enumerate((mask, halved, halved)))
    return Picture(y, u, v, colour)


def _blend(mask: npt.NDArray[np.generic], ground: int, ink: int) -> U8:
    return np.rint(ground + (ink - ground) * (mask.astype(np.float32) / 255)).astype(np.uint8)
