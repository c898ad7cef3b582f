"""Drawing on pictures in device memory: a copy to draw on, and marks painted onto it, a launch each."""

import numpy as np

from streamd.frames import Surface
from streamd.gpu.arrays import DeviceArray, Stream, check
from streamd.gpu.kernels import Kernels
from streamd.gpu.layouts import CANVAS, MARK

TILE = 32  # kernels/draw_nv12.cu
CHUNK, ROWS = 512, 4  # what a block of kernels/copy_nv12.cu makes


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


def copy_nv12(kernels: Kernels, surface: Surface, to: Surface, stream: Stream) -> None:
    """Copy an NV12 or P010 surface to an NV12 surface of the same size, whose planes have one pitch."""
    alike = (surface.width, surface.height) == (to.width, to.height) and to.pitch == to.chroma_pitch
    if not alike or not surface.chroma or to.sample_bytes != 1:
        raise ValueError(f"{surface} cannot be copied to {to}")
    even = to.width + to.width % 2
    kernels.get("copy_nv12", "copy_nv12")(
        (-(-even // CHUNK), -(-to.height // ROWS), 2),
        (CHUNK // 16, ROWS),
        [
            *(np.uint64(surface.pixels), np.int32(surface.pitch), np.uint64(surface.chroma)),
            np.int32(surface.chroma_pitch),
            *(np.uint64(to.pixels), np.uint64(to.chroma), np.int32(to.pitch)),
            *(np.int32(to.width), np.int32(to.height), np.int32(surface.sample_bytes)),
        ],
        stream=stream,
    )
