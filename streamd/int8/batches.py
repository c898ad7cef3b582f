"""Batch files of TensorRT's samples: int32 N, C, H, W, that many float32, and N int32 labels or none."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from streamd.errors import DataError
from streamd.manifest import MAX_SIDE

Array = npt.NDArray[Any]
HEADER = 16  # bytes of N, C, H, W
MOST_ROWS, MOST_CHANNELS = 1 << 16, 4  # what claims more is no batch file


def read(path: Path) -> Array:
    """Map the pictures (N, C, H, W) float32 of a batch file.

    Raises:
        DataError: it is no such file.
    """
    try:
        size, head = _opening(path)
        if _is_batch(head, size):
            n, c, h, w = _sides(head)
            return np.memmap(path, "<f4", "r", HEADER, (n, c, h, w))
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}", mend="name a file that can be read") from error
    raise DataError(_unknown(path, head, size), mend="name the files that TensorRT's samples calibrate on")


def looks_like_one(path: Path) -> bool:
    """Whether it is a batch file; one that begins like it and is not whole is refused, never passed over.

    Raises:
        DataError: its header and its size disagree.
    """
    size, head = _opening(path)
    if _is_batch(head, size):
        return True
    if _sides(head):
        raise DataError(_unknown(path, head, size), mend="write the batch file again, or take it out of the folder")
    return False


def _opening(path: Path) -> tuple[int, bytes]:
    with path.open("rb") as file:
        return path.stat().st_size, file.read(HEADER)


def _is_batch(head: bytes, size: int) -> bool:
    sides = _sides(head)
    return bool(sides) and size in _sizes(sides)


def _sides(head: bytes) -> tuple[int, ...]:
    """Return N, C, H, W where these bytes can be them, else nothing."""
    if len(head) < HEADER:
        return ()
    n, c, h, w = (int(side) for side in np.frombuffer(head, "<i4", 4))
    return (
        (n, c, h, w)
        if 0 < n <= MOST_ROWS and 0 < c <= MOST_CHANNELS and min(h, w) > 0 and max(h, w) <= MAX_SIDE
        else ()
    )


def _sizes(sides: tuple[int, ...]) -> tuple[int, int]:
    """Return the bytes of a batch file without and with labels."""
    bare = HEADER + 4 * math.prod(sides)
    return bare, bare + 4 * sides[0]


def _unknown(path: Path, head: bytes, size: int) -> str:
    if sides := _sides(head):
        shape = "x".join(map(str, sides))
        return f"{path}: a batch file of {shape} has {' or '.join(map(str, _sizes(sides)))} bytes, this one has {size}"
    return f"{path}: neither a picture, a video nor a batch file"
