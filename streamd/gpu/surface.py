"""Decoded pictures in device memory, and the table that tells a letterbox kernel of a batch of them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from streamd.frames import U8
from streamd.gpu.layouts import SURFACE
from streamd.letterbox import Letterbox


@dataclass(frozen=True, slots=True)
class Surface:
    """NV12 (1 byte a sample), P010 (2 bytes), or packed B, G, R without chroma. Owns nothing.

    `pixels` and `chroma` are addresses, pitches are bytes from row to row, width and height are pixels.
    """

    pixels: int
    pitch: int
    width: int
    height: int
    chroma: int = 0
    chroma_pitch: int = 0
    sample_bytes: int = 1

    def __post_init__(self) -> None:
        pair = 2 * self.sample_bytes
        odd = self.pixels % self.sample_bytes or self.pitch % self.sample_bytes
        if odd or self.chroma % pair or self.chroma_pitch % pair:
            raise ValueError(f"{self}: planes and pitches are whole samples, of chroma whole pairs")


def surface_table(
    surfaces: Sequence[Surface], places: Sequence[Letterbox], weights: Sequence[npt.NDArray[np.floating]]
) -> U8:
    """Return rows of SURFACE as bytes, to be copied to the device.

    weights: for each surface (C, 4), a row a channel of the tensor over (Y, U, V, 1) or (B, G, R, 1), for 8 bits.
    """
    table = np.zeros(len(surfaces), SURFACE)
    for row, surface, place, rows in zip(table, surfaces, places, weights, strict=True):
        for name in ("pixels", "chroma", "pitch", "chroma_pitch", "width", "height", "sample_bytes"):
            row[name] = getattr(surface, name)
        for name in ("new_width", "new_height", "left", "top"):
            row[name] = getattr(place, name)
        row["weights"][: len(rows)] = rows
        if surface.sample_bytes == 2:
            row["weights"][:, :3] /= 256  # a sample of P010 has its bits at the top of 16
    return table.view(np.uint8)
