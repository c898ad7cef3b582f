"""Painting marks onto pictures in device memory: one function, one launch for all of them."""

import numpy as np

from streamd.gpu.arrays import DeviceArray, Stream, check
from streamd.gpu.kernels import Kernels
from streamd.gpu.layouts import CANVAS, MARK

TILE = 32  # kernels/draw_nv12.cu


def draw_nv12(
    kernels: Kernels,
    canvases: DeviceArray,
    count: int,
    largest: tuple[int, int],
    marks: DeviceArray,
    atlas: DeviceArray | None,
    stream: Stream,
) -> None:
    """Paint onto the first `count` canvases in place.

    canvases (N * itemsize,) uint8: rows of CANVAS; marks (M * itemsize,) uint8: rows of MARK; atlas (bytes,) uint8;
    `largest` is the width and height that hold every canvas.
    """
    check("canvases", canvases, [np.uint8], (None,))
    check("marks", marks, [np.uint8], (None,))
    if not 0 < count <= canvases.shape[0] // CANVAS.itemsize or marks.shape[0] % MARK.itemsize:
        raise ValueError(f"{count} canvases of {canvases.shape[0]} bytes, marks of {marks.shape[0]}")
    if atlas is not None:
        check("atlas", atlas, [np.uint8], (None,))
    width, height = largest
    kernels.get("draw_nv12", "draw_nv12")(
        (-(-width // TILE), -(-height // TILE), count),
        (TILE // 2, TILE // 2),
        [canvases, marks, np.uint64(0) if atlas is None else atlas],
        stream=stream,
    )
