"""The sum that makes a model's input from packed BGR pictures, written to be read: what the BGR kernels are held to.

The same as `reference`, from B, G, R instead of Y, U, V: each is resized bilinear straight to the letterboxed size,
put into the tensor's order (gray weighs them as BT.601 does), then scaled, and rounded last of all.
"""

import numpy as np
import numpy.typing as npt

from streamd.frames import LUMA, U8
from streamd.letterbox import Letterbox
from streamd.manifest import Input
from streamd.preprocess.colour import F64
from streamd.preprocess.reference import normalization, resize, store, visible


def preprocess(pixels: U8, spec: Input) -> tuple[npt.NDArray[np.generic], Letterbox]:
    """Return the tensor (C, H, W) of one picture (H, W, 3), and where the picture stands in it."""
    height, width = pixels.shape[:2]
    geometry = Letterbox.place(width, height, spec.width, spec.height, spec.fit, spec.anchor)
    values = np.full((spec.channels, spec.height, spec.width), float(spec.pad))
    rows = visible(geometry.top, geometry.new_height, spec.height)
    columns = visible(geometry.left, geometry.new_width, spec.width)
    parts = np.stack([resize(pixels[..., part], geometry, rows, columns) for part in range(3)])
    values[:, rows, columns] = np.tensordot(channel_rows(spec)[:, :3], parts, axes=1)
    return _scaled(values, spec), geometry


def normalize(pixels: U8, spec: Input) -> npt.NDArray[np.generic]:
    """Return the tensor (3, H, W) of one picture (H, W, 3) that has the input's size already."""
    order = slice(None, None, -1 if spec.colour == "rgb" else 1)
    return _scaled(pixels.transpose(2, 0, 1)[order].astype(np.float64), spec)


def channel_rows(spec: Input) -> F64:
    """Return (C, 4): one row a channel of the tensor, in its order, over (B, G, R, 1)."""
    if spec.colour == "gray":
        red, blue = LUMA["bt601"]
        return np.array([[blue, 1 - red - blue, red, 0]])
    rows = np.eye(3, 4)
    return rows[::-1] if spec.colour == "rgb" else rows


def _scaled(values: F64, spec: Input) -> npt.NDArray[np.generic]:
    scale, shift = normalization(spec)
    return store(values * scale[:, None, None] + shift[:, None, None], spec)
