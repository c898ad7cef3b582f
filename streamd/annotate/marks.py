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
from streamd.annotate.rect import Image, Rect, bounds, corners
from streamd.frames import I32, Colour, Detections
from streamd.gpu.layouts import MARK, OUTLINE, SUBPIXELS, UNIT, WHOLE

MarkRows = npt.NDArray[np.void]  # (N,) of MARK
# The same as (N, words) int32, which numpy handles ten times as fast: each field is a word but for the colour, whose
# four bytes are one.
Words = I32
WORDS = MARK.itemsize // 4
EDGES = slice(0, 4)  # left, top, right, bottom
MASK, MASK_PITCH, COLOUR = 4, 5, 6
TURN = slice(7, WORDS)  # centre_x, centre_y, along, across, line, cosine, sine

CACHED_LABELS = 512
GROUND_ALPHA = 208  # of a label's ground: what is under it shows through
OTHERS = "class -0123456789%"  # the letters of scores, and of classes without a name
_FAR = 1 << 27  # of a turned box, in SUBPIXELS: 8 million pixels, whose products fit the kernel's 64 bits


@dataclass(frozen=True, slots=True)
class _Stamp:
    """A label with its upper left corner at 0, 0."""

    width: int
    height: int
    marks: Words

    def at(self, where: Rect) -> Words:
        marks = self.marks.copy()
        marks[:, EDGES] += np.array([where.left, where.top] * 2, np.int32)
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
        if not drawn:
            return np.zeros(0, MARK)
        around = bounds(detections, drawn, picture)
        classes = detections.class_ids[drawn].tolist()
        words = {class_id: _word(colours.of_class(class_id), picture.colour) for class_id in set(classes)}
        tints = [words[class_id] for class_id in classes]
        if detections.angles is None:
            boxes = _upright(around, tints, style.line)
        else:
            boxes = _turned(picture, detections, drawn, tints, style.line)
        texts = self._texts(picture, detections, drawn, around, style.text_height)
        return np.concatenate([boxes, *texts]).view(MARK).reshape(-1)

    def _texts(
        self, picture: Image, detections: Detections, drawn: Sequence[int], around: Sequence[Rect], text_height: int
    ) -> Iterator[Words]:
        if not text_height:
            return
        if self.atlas.text_height != text_height:
            self.atlas = Atlas.of("".join([OTHERS, *self._labels]), text_height)
            self._stamps = Recent(CACHED_LABELS)

        def make(text: str, class_id: int) -> _Stamp:
            key = (text, class_id, picture.colour)
            return self._stamps.get(key, lambda: _stamp(text, class_id, picture.colour, self.atlas))

        for stamp, where in layout.place_labels(picture, detections, drawn, around, self._labels, make):
            yield stamp.at(where)


def _upright(around: Sequence[Rect], tints: Sequence[int], line: int) -> Words:
    """Return four marks a box, as `HostAnnotate` fills its sides."""
    marks = np.zeros((4 * len(around), WORDS), np.int32)
    sides = [side for rect in around for side in layout.sides(rect, line)]
    marks[:, EDGES] = [(side.left, side.top, side.right, side.bottom) for side in sides]
    marks[:, MASK] = WHOLE
    marks[:, COLOUR] = np.repeat(tints, 4)
    return marks


def _turned(picture: Image, detections: Detections, drawn: Sequence[int], tints: Sequence[int], line: int) -> Words:
    """Return one mark a box: its outline, half of the line outside and half inside."""
    assert detections.angles is not None
    boxes, angles = detections.boxes[drawn].astype(np.float64), detections.angles[drawn].astype(np.float64)
    points = corners(detections.boxes[drawn], detections.angles[drawn])
    limits = (picture.width, picture.height)
    marks = np.zeros((len(drawn), WORDS), np.int32)
    low, high = np.floor(points.min(axis=1)) - line, np.ceil(points.max(axis=1)) + line
    marks[:, EDGES] = np.hstack([np.clip(low, 0, limits), np.clip(high, 0, limits)])
    marks[:, MASK], marks[:, COLOUR] = OUTLINE, tints
    centre, half = (boxes[:, :2] + boxes[:, 2:]) / 2, np.abs(boxes[:, 2:] - boxes[:, :2]) / 2
    lengths = np.clip(np.rint(SUBPIXELS * np.hstack([centre, half])), -_FAR, _FAR)
    turns = np.rint(UNIT * np.stack([np.cos(angles), np.sin(angles)], axis=1))
    marks[:, TURN] = np.hstack([lengths, np.full((len(drawn), 1), SUBPIXELS * line // 2), turns])
    return marks


def _stamp(text: str, class_id: int, colour: Colour, atlas: Atlas) -> _Stamp:
    """Set a label: its ground, then its letters."""
    rgb = colours.of_class(class_id)
    letters = lay_out(text, atlas.text_height)
    marks = np.zeros((1 + len(text), WORDS), np.int32)
    marks[0, EDGES] = (0, 0, letters.width, letters.height)
    marks[0, MASK], marks[0, COLOUR] = WHOLE, _word(rgb, colour, GROUND_ALPHA)
    marks[1:, COLOUR] = _word(colours.text_on(rgb), colour)
    pen = float(letters.left)
    for mark, letter in zip(marks[1:], text, strict=True):
        glyph = atlas.glyphs[letter]
        left, top = round(pen) + glyph.left, letters.baseline + glyph.top
        mark[EDGES] = (left, top, left + glyph.width, top + glyph.height)
        mark[MASK], mark[MASK_PITCH] = glyph.mask, glyph.width
        pen += glyph.advance
    return _Stamp(letters.width, letters.height, marks)


def _word(rgb: colours.Rgb, colour: Colour, alpha: int = 255) -> int:
    """Return the colour of a mark as the word that its four bytes are."""
    return int(np.array([*colours.to_yuv(rgb, colour), alpha], np.uint8).view(np.int32)[0])
