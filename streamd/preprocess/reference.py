"""The sum that makes a model's input from a picture, written to be read: the definition that fast paths are held to.

1. Y, U and V are each resized straight to the letterboxed size: bilinear between the two nearest samples an axis,
   sample i of n at (i + 0.5) / n of the picture, edges repeated, no low-pass. Chroma counts as sited in the middle
   of its four luma samples.
2. (Y, U, V) -> (R, G, B) by the picture's matrix and range, clipped to 0..255. Gray is luma stretched to 0..255.
3. (p * scale - mean) / std, also for the pad value. Nothing is rounded before this; a uint8 tensor rounds here,
   half to even, and saturates.
"""

import numpy as np
import numpy.typing as npt

from streamd.frames import U8, Colour, Picture
from streamd.letterbox import Letterbox
from streamd.manifest import Input
from streamd.preprocess.colour import F64, yuv_to_gray, yuv_to_rgb


def preprocess(picture: Picture, spec: Input) -> tuple[npt.NDArray[np.generic], Letterbox]:
    """Return the tensor (C, H, W) of one picture, in the type that `spec` names, and where the picture stands in it."""
    geometry = Letterbox.place(picture.width, picture.height, spec.width, spec.height, spec.fit, spec.anchor)
    pixels = np.full((spec.channels, spec.height, spec.width), float(spec.pad))
    rows = visible(geometry.top, geometry.new_height, spec.height)
    columns = visible(geometry.left, geometry.new_width, spec.width)
    planes = [resize(plane, geometry, rows, columns) for plane in (picture.y, picture.u, picture.v)]
    ones = np.ones_like(planes[0])
    weights = colour_rows(spec, picture.colour)
    pixels[:, rows, columns] = np.clip(np.tensordot(weights, np.stack([*planes, ones]), axes=1), 0, 255)
    scale, shift = normalization(spec)
    return store(pixels * scale[:, None, None] + shift[:, None, None], spec), geometry


def colour_rows(spec: Input, colour: Colour) -> F64:
    """Return (C, 4): one row a channel of the tensor, in its order, over (Y, U, V, 1)."""
    if spec.colour == "gray":
        return yuv_to_gray(colour)
    rgb = yuv_to_rgb(colour)
    return rgb[::-1] if spec.colour == "bgr" else rgb


def normalization(spec: Input) -> tuple[F64, F64]:
    """Return (C,) and (C,): `p * scale + shift` is the tensor's `(p * scale - mean) / std`."""
    mean = np.broadcast_to(np.asarray(spec.mean, np.float64), spec.channels)
    std = np.broadcast_to(np.asarray(spec.std, np.float64), spec.channels)
    return spec.scale / std, -mean / std


def store(values: F64, spec: Input) -> npt.NDArray[np.generic]:
    """Return `values` in the tensor's type."""
    if spec.dtype == "uint8":
        return np.clip(np.rint(values), 0, 255).astype(np.uint8)
    return values.astype(spec.dtype)


def visible(offset: int, size: int, limit: int) -> slice:
    """Return which of `limit` input pixels a picture of `size` pixels at `offset` covers, along one axis."""
    return slice(max(0, offset), min(limit, offset + size))


def resize(plane: U8, geometry: Letterbox, rows: slice, columns: slice) -> F64:
    """Return the input pixels `rows` x `columns` of one plane resized as `geometry` says."""
    above, below, down = _taps(plane.shape[0], geometry.new_height, geometry.top, rows)
    before, after, right = _taps(plane.shape[1], geometry.new_width, geometry.left, columns)
    upper = plane[above][:, before] * (1 - right) + plane[above][:, after] * right
    lower = plane[below][:, before] * (1 - right) + plane[below][:, after] * right
    return upper * (1 - down[:, None]) + lower * down[:, None]


def _taps(size: int, new_size: int, offset: int, span: slice) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], F64]:
    """Return for each input pixel of `span` its two source samples and the weight of the second."""
    at = (np.arange(span.start, span.stop) - offset + 0.5) * size / new_size - 0.5
    low = np.floor(at)
    first = np.clip(low, 0, size - 1).astype(np.intp)
    second = np.clip(low + 1, 0, size - 1).astype(np.intp)
    return first, second, at - low
