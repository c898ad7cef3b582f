"""The table that tells a letterbox kernel of a batch of surfaces."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from streamd.frames import U8, Surface
from streamd.gpu.layouts import SURFACE
from streamd.letterbox import Letterbox

SECTOR = 32  # bytes, the least that a GPU reads


def surface_table(
    surfaces: Sequence[Surface], places: Sequence[Letterbox], weights: Sequence[npt.NDArray[np.floating]]
) -> U8:
    """Return rows of SURFACE as bytes, to be copied to the device; the arguments are `surface_row`'s, of each."""
    rows = [surface_row(*one) for one in zip(surfaces, places, weights, strict=True)]
    return np.array(rows, SURFACE).view(np.uint8)


def surface_row(surface: Surface, place: Letterbox, weights: npt.NDArray[np.floating]) -> np.void:
    """Return the row of SURFACE that has a letterbox kernel put `surface` at `place`.

    weights (C, 4): a row a channel of the tensor over (Y, U, V, 1) or (B, G, R, 1), for 8 bits.
    """
    row: np.void = np.zeros(1, SURFACE)[0]
    for name in ("pixels", "chroma", "pitch", "chroma_pitch", "width", "height", "sample_bytes"):
        row[name] = getattr(surface, name)
    for name in ("new_width", "new_height", "left", "top"):
        row[name] = getattr(place, name)
    row["share_across"], row["share_down"] = 0.5 / place.new_width, 0.5 / place.new_height
    row["whole"] = _odd_multiple(surface.width, place.new_width) and _odd_multiple(surface.height, place.new_height)
    row["weights"][: len(weights)] = weights / 255  # a kernel's pixels are 0..1: clipping costs nothing there
    if surface.sample_bytes == 2:
        row["weights"][:, :3] /= 256  # a sample of P010 has its bits at the top of 16
    return row


def _odd_multiple(size: int, new_size: int) -> bool:
    return size % new_size == 0 and size // new_size % 2 == 1


def letterbox_bytes(place: Letterbox, row_bytes: int) -> int:
    """Return the bytes that a letterbox kernel must move for one NV12 picture: what it needs, once, and its row.

    Needed are the sectors of 32 bytes that hold a sample with weight: at 3 to 1 that is a third of the rows.
    """

    def samples(size: int, new_size: int) -> npt.NDArray[np.int64]:
        doubled = (2 * np.arange(new_size, dtype=np.int64) + 1) * size - new_size  # of a position, by 2 * new_size
        low = doubled // (2 * new_size)
        both = np.concatenate((low, np.where(doubled % (2 * new_size) == 0, low, low + 1)))
        return np.unique(np.clip(both, 0, size - 1))

    def plane(width: int, height: int, sample_bytes: int) -> int:
        sectors = np.unique(samples(width, place.new_width) * sample_bytes // SECTOR)
        return len(samples(height, place.new_height)) * len(sectors) * SECTOR

    chroma = plane((place.src_width + 1) // 2, (place.src_height + 1) // 2, 2)
    return plane(place.src_width, place.src_height, 1) + chroma + row_bytes
