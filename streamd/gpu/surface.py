"""The table that tells a letterbox kernel of a batch of surfaces."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from streamd.frames import U8, Surface
from streamd.gpu.layouts import SURFACE
from streamd.letterbox import Letterbox


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
