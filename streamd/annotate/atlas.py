"""The letters of a text size in one piece of memory, for the drawing kernel to take coverage from."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import cv2
import numpy as np

from streamd.annotate import lettering
from streamd.frames import U8


@dataclass(frozen=True, slots=True)
class Glyph:
    """One letter: `mask` is where its rows of coverage begin, `left` and `top` count from where it is written."""

    mask: int
    left: int
    top: int
    width: int
    height: int
    advance: float


@dataclass(frozen=True, slots=True)
class Atlas:
    """The letters that labels are made of, capitals `text_height` pixels high; `coverage` (bytes,) 0..255."""

    text_height: int
    coverage: U8
    glyphs: Mapping[str, Glyph]

    @staticmethod
    def of(letters: Iterable[str], text_height: int) -> "Atlas":
        """Render each of `letters` by itself: scripts whose letters join are set as if they did not."""
        scale = lettering.scale_of(text_height)
        size = 4 * text_height  # of a cell that holds any letter, written in its middle
        glyphs, pieces, end = {}, [], 0
        for letter in sorted(set(letters)):
            cell = np.zeros((size, size), np.uint8)
            lettering.write(cell, letter, size // 2, size // 2, scale)
            left, top, width, height = cv2.boundingRect(cell)
            step = lettering.advance(letter, scale)
            glyphs[letter] = Glyph(end, left - size // 2, top - size // 2, width, height, step)
            pieces.append(cell[top : top + height, left : left + width].ravel())
            end += width * height
        return Atlas(text_height, np.concatenate([np.zeros(0, np.uint8), *pieces]), glyphs)
