"""Painting marks onto NV12, in numpy: the definition that the drawing kernel is held to, byte for byte.

A mark is a rectangle of one colour, whole or through a mask of coverage (a glyph, a label), opaque or not; or the
outline of a turned box, in whole numbers: SUBPIXELS to a pixel, cosine and sine times UNIT. Marks are painted in their
order. A chroma sample is covered as much as the luma samples it stands for are on the average.
"""

import numpy as np
import numpy.typing as npt

from streamd.frames import I32, U8
from streamd.gpu.layouts import OUTLINE, SUBPIXELS, UNIT


def eight_bit(samples: npt.NDArray[np.uint16]) -> U8:
    """Bring samples of P010, whose bits are at the top of 16, to 8 bits: rounded half up, at most 255."""
    return np.minimum((samples.astype(np.int32) + 128) // 256, 255).astype(np.uint8)


def paint(luma: U8, chroma: U8, marks: npt.NDArray[np.void], atlas: U8) -> None:
    """Paint `marks` (N,) of type streamd.gpu.layouts.MARK, in place.

    luma (H, W); chroma ((H + 1) // 2, (W + 1) // 2, 2), U and V; atlas (bytes,), coverage 0..255.
    """
    for mark in marks:
        _paint(luma, chroma, mark, atlas)


def _paint(luma: U8, chroma: U8, mark: np.void, atlas: U8) -> None:
    height, width = luma.shape
    left, top = max(0, int(mark["left"])), max(0, int(mark["top"]))
    right, bottom = min(width, int(mark["right"])), min(height, int(mark["bottom"]))
    if left >= right or top >= bottom:
        return
    # Whole chroma samples, so that each sees all of the luma it stands for.
    x0, y0, x1, y1 = left & ~1, top & ~1, min(width, right + right % 2), min(height, bottom + bottom % 2)
    alpha = np.zeros((y1 - y0, x1 - x0), np.int32)
    alpha[top - y0 : bottom - y0, left - x0 : right - x0] = _coverage(mark, left, top, right, bottom, atlas)
    _blend(luma[y0:y1, x0:x1], int(mark["y"]), alpha)
    of_chroma = _halved(alpha)
    pairs = chroma[y0 // 2 : (y1 + 1) // 2, x0 // 2 : (x1 + 1) // 2]
    _blend(pairs[..., 0], int(mark["u"]), of_chroma)
    _blend(pairs[..., 1], int(mark["v"]), of_chroma)


def _coverage(mark: np.void, left: int, top: int, right: int, bottom: int, atlas: U8) -> I32:
    """Return 0..255 for the pixels from (left, top) to (right, bottom), which lie inside the mark."""
    alpha = int(mark["alpha"])
    if mark["mask"] == OUTLINE:
        return alpha * _outlined(mark, np.arange(left, right), np.arange(top, bottom)[:, None]).astype(np.int32)
    if mark["mask"] < 0:
        return np.full((bottom - top, right - left), alpha, np.int32)
    rows = np.arange(top, bottom) - int(mark["top"])
    columns = np.arange(left, right) - int(mark["left"])
    mask = atlas[int(mark["mask"]) + rows[:, None] * int(mark["mask_pitch"]) + columns].astype(np.int32)
    covered: I32 = (mask * alpha + 127) // 255
    return covered


def _outlined(mark: np.void, x: npt.NDArray[np.int64], y: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Tell of the pixels in columns `x` and rows `y` (a column) whether a turned box's line covers their centre."""
    dx = SUBPIXELS * x + SUBPIXELS // 2 - int(mark["centre_x"])
    dy = SUBPIXELS * y + SUBPIXELS // 2 - int(mark["centre_y"])
    cosine, sine, line = int(mark["cosine"]), int(mark["sine"]), int(mark["line"])
    along, across = np.abs(dx * cosine + dy * sine), np.abs(dy * cosine - dx * sine)
    half_along, half_across = int(mark["along"]), int(mark["across"])
    outer = (along <= UNIT * (half_along + line)) & (across <= UNIT * (half_across + line))
    inner = (along < UNIT * (half_along - line)) & (across < UNIT * (half_across - line))
    covered: npt.NDArray[np.bool_] = outer & ~inner
    return covered


def _blend(under: U8, over: int, alpha: I32) -> None:
    under[...] = (under.astype(np.int32) * (255 - alpha) + over * alpha + 127) // 255


def _halved(alpha: I32) -> I32:
    """Return the mean of each 2 x 2, rounded half up; of the samples there are, at an odd picture's edge."""
    height, width = alpha.shape
    rows, columns = np.arange(0, height, 2), np.arange(0, width, 2)
    total = np.add.reduceat(np.add.reduceat(alpha, rows, axis=0), columns, axis=1)
    count = np.minimum(2, height - rows)[:, None] * np.minimum(2, width - columns)
    halved: I32 = (total + count // 2) // count
    return halved
