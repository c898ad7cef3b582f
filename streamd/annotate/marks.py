"""From detections to the marks that the drawing kernel paints. Pixels are never touched here."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from streamd.annotate import colours, layout
from streamd.annotate.atlas import Atlas
from streamd.annotate.layout import Style
from streamd.annotate.lettering import lay_out
from streamd.annotate.recent import Recent
from streamd.annotate.rect import Image, Rect, corners
from streamd.frames import Colour, Detections
from streamd.gpu.layouts import MARK, OUTLINE, SUBPIXELS, UNIT, WHOLE

MarkRows = npt.NDArray[np.void]  # (N,) of MARK

CACHED_LABELS = 512
GROUND_ALPHA = 208  # of a label's ground: what is under it shows through
OTHERS = "class -0123456789%"  # the letters of scores, and of classes without a name
_FAR = 1 << 27  # of a turned box, in SUBPIXELS: 8 million pixels, whose products fit the kernel's 64 bits


@dataclass(frozen=True, slots=True)
class _Stamp:
    """A label with its upper left corner at 0, 0."""

    width: int
    height: int
    marks: MarkRows

    def at(self, where: Rect) -> MarkRows:
        marks = self.marks.copy()
        for name, shift in (("left", where.left), ("right", where.left), ("top", where.top), ("bottom", where.top)):
            marks[name] += shift
        return marks


class Marks:
    """The marks of pictures' detections, in the order they are painted. One thread at a time.

    `atlas` holds the letters that the last marks refer to; it is another when the size of text has changed.
    """

    def __init__(self, labels: Sequence[str]) -> None:
        """Take the names of the classes; one beyond them is called by its number."""
        self._labels = tuple(labels)
        self._stamps: Recent[tuple[str, int, Colour], _Stamp] = Recent(CACHED_LABELS)
        self.atlas = Atlas.of("", 0)

    def __call__(self, picture: Image, detections: Detections) -> MarkRows:
        """Return the marks of every box, best scores last, and of the labels on top of them."""
        style = Style.of(picture)
        drawn = layout.order(detections)
        turned = detections.angles is not None
        boxes = (_turned if turned else _upright)(picture, detections, drawn, style.line)
        return np.concatenate([boxes, *self._texts(picture, detections, drawn, style.text_height)])

    def _texts(
        self, picture: Image, detections: Detections, drawn: Sequence[int], text_height: int
    ) -> Iterator[MarkRows]:
        if not text_height or not drawn:
            return
        if self.atlas.text_height != text_height:
            self.atlas = Atlas.of("".join([OTHERS, *self._labels]), text_height)
            self._stamps = Recent(CACHED_LABELS)

        def make(text: str, class_id: int) -> _Stamp:
            key = (text, class_id, picture.colour)
            return self._stamps.get(key, lambda: _stamp(text, class_id, picture.colour, self.atlas))

        for stamp, where in layout.place_labels(picture, detections, drawn, self._labels, make):
            yield stamp.at(where)


def _upright(picture: Image, detections: Detections, drawn: Sequence[int], line: int) -> MarkRows:
    """Return four marks a box, as `HostAnnotate` fills its sides."""
    marks = np.zeros((len(drawn), 4), MARK)
    for row, i in zip(marks, drawn, strict=True):
        rects = layout.sides(Rect.around(detections.boxes[i], picture), line)
        places = np.array([(rect.left, rect.top, rect.right, rect.bottom) for rect in rects])
        row["left"], row["top"], row["right"], row["bottom"] = places.T
        _paint(row, colours.to_yuv(colours.of_class(int(detections.class_ids[i])), picture.colour), WHOLE)
    return marks.reshape(-1)


def _turned(picture: Image, detections: Detections, drawn: Sequence[int], line: int) -> MarkRows:
    """Return one mark a box: its outline, half of the line outside and half inside."""
    assert detections.angles is not None
    marks = np.zeros(len(drawn), MARK)
    limits = (picture.width, picture.height)
    for mark, i in zip(marks, drawn, strict=True):
        box, angle = detections.boxes[i].astype(np.float64), float(detections.angles[i])
        points = corners(detections.boxes[i], angle)
        low, high = np.floor(points.min(axis=0)) - line, np.ceil(points.max(axis=0)) + line
        mark["left"], mark["top"] = np.clip(low, 0, limits)
        mark["right"], mark["bottom"] = np.clip(high, 0, limits)
        centre, half = (box[:2] + box[2:]) / 2, np.abs(box[2:] - box[:2]) / 2
        lengths = np.clip(np.rint(SUBPIXELS * np.concatenate([centre, half])), -_FAR, _FAR)
        mark["centre_x"], mark["centre_y"], mark["along"], mark["across"] = lengths
        mark["line"] = SUBPIXELS * line // 2
        mark["cosine"], mark["sine"] = round(UNIT * np.cos(angle)), round(UNIT * np.sin(angle))
        _paint(mark, colours.to_yuv(colours.of_class(int(detections.class_ids[i])), picture.colour), OUTLINE)
    return marks


def _stamp(text: str, class_id: int, colour: Colour, atlas: Atlas) -> _Stamp:
    """Set a label: its ground, then its letters."""
    rgb = colours.of_class(class_id)
    letters = lay_out(text, atlas.text_height)
    marks = np.zeros(1 + len(text), MARK)
    marks[0]["right"], marks[0]["bottom"] = letters.width, letters.height
    _paint(marks[0], colours.to_yuv(rgb, colour), WHOLE, GROUND_ALPHA)
    ink, pen = colours.to_yuv(colours.text_on(rgb), colour), float(letters.left)
    for mark, letter in zip(marks[1:], text, strict=True):
        glyph = atlas.glyphs[letter]
        mark["left"], mark["top"] = round(pen) + glyph.left, letters.baseline + glyph.top
        mark["right"], mark["bottom"] = mark["left"] + glyph.width, mark["top"] + glyph.height
        mark["mask_pitch"] = glyph.width
        _paint(mark, ink, glyph.mask)
        pen += glyph.advance
    return _Stamp(letters.width, letters.height, marks)


def _paint(marks: np.void | MarkRows, colour: colours.Yuv, mask: int, alpha: int = 255) -> None:
    marks["y"], marks["u"], marks["v"] = colour
    marks["mask"], marks["alpha"] = mask, alpha
