"""What is drawn where, the same on host and GPU: the sides of boxes, the texts of labels, their places.

Everything is placed on even luma pixels, so that a box covers whole chroma samples and no colour bleeds out of it.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np

from streamd.annotate.rect import Image, Rect, place
from streamd.frames import Detections, label

SMALLEST_LABEL = 24  # pixels of a picture's shorter side below which text cannot be read


@dataclass(frozen=True, slots=True)
class Style:
    """Sizes in pixels that suit a picture: the line of a box (even), and the height of a capital (0: no text)."""

    line: int
    text_height: int

    @staticmethod
    def of(picture: Image) -> "Style":
        """Choose for a picture: at 1080p lines of 4 and capitals of 18 pixels."""
        side = min(picture.width, picture.height)
        line = max(2, 2 * round(side / 540))
        return Style(line, 0 if side < SMALLEST_LABEL else max(9, round(side / 60)))


class Stamp(Protocol):
    """A label, ready to be put somewhere."""

    @property
    def width(self) -> int:
        """Its columns, even."""

    @property
    def height(self) -> int:
        """Its rows, even."""


S = TypeVar("S", bound=Stamp)


def order(detections: Detections) -> list[int]:
    """Return which detections can be drawn, best scores last, on top."""
    finite = np.isfinite(detections.boxes).all(axis=1) & np.isfinite(detections.scores)
    if detections.angles is not None:
        finite &= np.isfinite(detections.angles)
    return [int(i) for i in np.flatnonzero(finite)[::-1]]


def sides(rect: Rect, line: int) -> tuple[Rect, Rect, Rect, Rect]:
    """Return the four lines of a box, inside `rect`."""
    line = min(line, rect.width, rect.height)
    return (
        Rect(rect.left, rect.top, rect.right, rect.top + line),
        Rect(rect.left, (rect.bottom - line) & ~1, rect.right, rect.bottom),
        Rect(rect.left, rect.top, rect.left + line, rect.bottom),
        Rect((rect.right - line) & ~1, rect.top, rect.right, rect.bottom),
    )


def place_labels(
    picture: Image,
    detections: Detections,
    drawn: Sequence[int],
    bounds: Sequence[Rect],
    labels: Sequence[str],
    make: Callable[[str, int], S],
) -> Iterator[tuple[S, Rect]]:
    """Yield the label of each detection in `drawn` and where it goes; the best score chooses its place first.

    `bounds` are around those detections; `make` makes a label of a text and a class. One too large for the picture
    tells the score alone, or is left out.
    """
    taken: list[Rect] = []
    for i, around in zip(reversed(drawn), reversed(bounds), strict=True):
        class_id, percent = int(detections.class_ids[i]), f"{100 * float(detections.scores[i]):.0f}%"
        for text in (f"{label(labels, class_id)} {percent}", percent):
            stamp = make(text, class_id)
            if stamp.width <= picture.width and stamp.height <= picture.height:
                where = place(around, stamp.width, stamp.height, picture, taken)
                taken.append(where)
                yield stamp, where
                break
