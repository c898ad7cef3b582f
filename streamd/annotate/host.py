"""Boxes and labels drawn on the YUV planes of a picture in host memory.

Everything is placed on even luma pixels, so that a box covers whole chroma samples and no colour bleeds out of it.
A label is rendered once and kept: its text fades from the ground to black or white in Y, and to grey in U and V.
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from streamd.annotate import colours
from streamd.annotate.colours import Rgb, Yuv
from streamd.annotate.rect import Rect, bounds, corners, place
from streamd.frames import F32, U8, Colour, Detections, Picture, label

FONT = cv2.FONT_HERSHEY_DUPLEX
CACHED_LABELS = 512  # "person 87%" and its like: 80 classes at the scores that occur
SMALLEST_LABEL = 24  # pixels of a picture's shorter side below which text cannot be read


class HostAnnotate:
    """Draws detections on copies of pictures. One thread at a time."""

    def __init__(self, labels: Sequence[str]) -> None:
        """Take the names of the classes; one beyond them is called by its number."""
        self._labels = tuple(labels)
        self._stamps: OrderedDict[tuple[str, int, int, Colour], Picture] = OrderedDict()

    def __call__(self, picture: Picture, detections: Detections) -> Picture:
        """Return a copy of `picture` with every box and label drawn; best scores are drawn last, on top."""
        drawn = picture.copy()
        style = Style.of(drawn)
        order = [i for i in reversed(range(len(detections))) if _drawable(detections, i)]
        for i in order:
            self._box(drawn, detections, i, style)
        if style.text_height:
            taken: list[Rect] = []
            for i in reversed(order):  # the best score chooses its place first
                self._label(drawn, detections, i, style, taken)
        return drawn

    def _box(self, picture: Picture, detections: Detections, i: int, style: "Style") -> None:
        colour = colours.to_yuv(colours.of_class(int(detections.class_ids[i])), picture.colour)
        if detections.angles is not None:
            _outline(picture, corners(detections.boxes[i], float(detections.angles[i])), colour, style.line)
            return
        rect = Rect.around(detections.boxes[i], picture)
        line = min(style.line, rect.width, rect.height)
        _fill(picture, Rect(rect.left, rect.top, rect.right, rect.top + line), colour)
        _fill(picture, Rect(rect.left, (rect.bottom - line) & ~1, rect.right, rect.bottom), colour)
        _fill(picture, Rect(rect.left, rect.top, rect.left + line, rect.bottom), colour)
        _fill(picture, Rect((rect.right - line) & ~1, rect.top, rect.right, rect.bottom), colour)

    def _label(self, picture: Picture, detections: Detections, i: int, style: "Style", taken: "list[Rect]") -> None:
        class_id, percent = int(detections.class_ids[i]), f"{100 * float(detections.scores[i]):.0f}%"
        for text in (f"{label(self._labels, class_id)} {percent}", percent):
            stamp = self._stamp(text, class_id, style.text_height, picture.colour)
            if stamp.width <= picture.width and stamp.height <= picture.height:
                where = place(bounds(detections, i, picture), stamp.width, stamp.height, picture, taken)
                taken.append(where)
                _press(picture, where, stamp)
                return

    def _stamp(self, text: str, class_id: int, height: int, colour: Colour) -> Picture:
        key = (text, class_id, height, colour)
        if key in self._stamps:
            self._stamps.move_to_end(key)
            return self._stamps[key]
        self._stamps[key] = stamp = _render(text, colours.of_class(class_id), height, colour)
        if len(self._stamps) > CACHED_LABELS:
            self._stamps.popitem(last=False)
        return stamp


@dataclass(frozen=True, slots=True)
class Style:
    """Sizes in pixels that suit a picture: the line of a box (even), and the height of a capital (0: no text)."""

    line: int
    text_height: int

    @staticmethod
    def of(picture: Picture) -> "Style":
        """Choose for a picture: at 1080p lines of 4 and capitals of 18 pixels."""
        side = min(picture.width, picture.height)
        line = max(2, 2 * round(side / 540))
        return Style(line, 0 if side < SMALLEST_LABEL else max(9, round(side / 60)))


def _drawable(detections: Detections, i: int) -> bool:
    angle = 0.0 if detections.angles is None else detections.angles[i]
    return bool(np.isfinite(detections.boxes[i]).all() and np.isfinite(angle) and np.isfinite(detections.scores[i]))


def _fill(picture: Picture, rect: Rect, colour: Yuv) -> None:
    picture.y[rect.top : rect.bottom, rect.left : rect.right] = colour[0]
    rows, columns = _chroma(rect)
    picture.u[rows, columns] = colour[1]
    picture.v[rows, columns] = colour[2]


def _press(picture: Picture, where: Rect, stamp: Picture) -> None:
    picture.y[where.top : where.bottom, where.left : where.right] = stamp.y
    rows, columns = _chroma(where)
    picture.u[rows, columns] = stamp.u
    picture.v[rows, columns] = stamp.v


def _chroma(rect: Rect) -> tuple[slice, slice]:
    return (
        slice(rect.top // 2, (rect.bottom + 1) // 2),
        slice(rect.left // 2, (rect.right + 1) // 2),
    )


def _outline(picture: Picture, corners: F32, colour: Yuv, line: int) -> None:
    limit = 4 * max(picture.width, picture.height)  # keeps OpenCV's fixed-point coordinates from overflowing
    points = np.clip(np.rint(corners), -limit, limit).astype(np.int32)
    cv2.polylines(picture.y, [points], True, (colour[0],), line)
    for plane, value in ((picture.u, colour[1]), (picture.v, colour[2])):
        cv2.polylines(plane, [points // 2], True, (value,), max(1, line // 2))


def _render(text: str, rgb: Rgb, height: int, colour: Colour) -> Picture:
    """Return a label: `text`, its capitals `height` pixels high, on a ground of `rgb`; both sides are even."""
    scale = cv2.getFontScaleFromHeight(FONT, height, 1)
    (width, above), below = cv2.getTextSize(text, FONT, scale, 1)
    pad = max(2, height // 3)
    mask = np.zeros((_even(above + below + pad), _even(width + 2 * pad)), np.uint8)
    baseline = (mask.shape[0] + above - below // 2) // 2
    cv2.putText(mask, text, (pad, baseline), FONT, scale, (255,), 1, cv2.LINE_AA)
    halved = cv2.resize(mask, (mask.shape[1] // 2, mask.shape[0] // 2), interpolation=cv2.INTER_AREA)
    ground, ink = colours.to_yuv(rgb, colour), colours.to_yuv(colours.text_on(rgb), colour)
    y, u, v = (_blend(plane, ground[i], ink[i]) for i, plane in enumerate((mask, halved, halved)))
    return Picture(y, u, v, colour)


def _blend(mask: npt.NDArray[np.generic], ground: int, ink: int) -> U8:
    return np.rint(ground + (ink - ground) * (mask.astype(np.float32) / 255)).astype(np.uint8)


def _even(size: int) -> int:
    return size + size % 2
