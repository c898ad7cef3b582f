"""Surfaces in the memory of a `HostGpu`: made of planes, and read back."""

import ctypes

import numpy as np

from streamd.frames import Colour, Surface

BT601 = Colour()


class HostPlanes:
    """An NV12 or P010 picture; `surface` owns it."""

    def __init__(self, luma, chroma, *, colour=BT601, margin=0, ready=None):
        """luma (H, W) and chroma (rows, columns, 2), uint8 or uint16; rows have `margin` samples more than that."""
        height, width = luma.shape
        rows, columns = (height + 1) // 2, (width + 1) // 2
        self.luma = np.zeros((height, width + margin), luma.dtype)
        self.chroma = np.zeros((rows, 2 * columns + 2 * margin), luma.dtype)
        self.luma[:, :width], self.chroma[:, : 2 * columns] = luma, chroma.reshape(rows, -1)
        self.surface = Surface(
            *(self.luma.ctypes.data, self.luma.strides[0], width, height),
            *(self.chroma.ctypes.data, self.chroma.strides[0], luma.itemsize, colour, self, ready),
        )


def grey(width, height, **options):
    """A surface of one grey."""
    chroma = ((height + 1) // 2, (width + 1) // 2, 2)
    return HostPlanes(np.full((height, width), 110, np.uint8), np.full(chroma, 128, np.uint8), **options).surface


def noise(rng, width, height, dtype=np.uint8, **options):
    """A surface of random samples, with their planes."""
    shapes = ((height, width), ((height + 1) // 2, (width + 1) // 2, 2))
    luma, chroma = (rng.integers(0, np.iinfo(dtype).max + 1, shape, dtype) for shape in shapes)
    return HostPlanes(luma, chroma, **options).surface, luma, chroma


def planes_of(surface):
    """Copies of the planes of an NV12 surface: (H, W), and ((H + 1) // 2, (W + 1) // 2, 2)."""
    rows, columns = (surface.height + 1) // 2, (surface.width + 1) // 2
    luma = _plane(surface.pixels, surface.height, surface.pitch)[:, : surface.width]
    chroma = _plane(surface.chroma, rows, surface.chroma_pitch)[:, : 2 * columns]
    return luma.copy(), chroma.reshape(rows, columns, 2).copy()


def _plane(address, rows, pitch):
    return np.frombuffer(ctypes.string_at(address, rows * pitch), np.uint8).reshape(rows, pitch)
