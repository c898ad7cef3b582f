"""One picture of nine frames: what the scenes look like, for a page."""

from pathlib import Path

import cv2
import numpy as np

from streamd.errors import DataError
from streamd.scenes.scene import Scene

_CHOSEN = (
    ("train", 4, 700), ("held-out", 69, 420), ("train", 2, 100), ("held-out", 10, 170), ("train", 42, 394),
    ("held-out", 15, 205), ("held-out", 46, 250), ("train", 43, 401), ("held-out", 14, 198),
)  # fmt: skip
_QUALITY = 80  # of a JPEG


def nine(out: Path, *, width: int = 480, height: int = 270) -> None:
    """Write nine varied frames, three by three, each `width` x `height`, as the suffix says: .jpg or .png.

    Raises:
        DataError: `out` cannot be written.
    """
    tiles = []
    for split, seed, index in _CHOSEN:
        frame, _ = Scene(seed, split=split).frame(index)
        tiles.append(cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA))
    rows = [np.hstack(tiles[i : i + 3]) for i in (0, 3, 6)]
    if out.suffix not in (".jpg", ".png"):
        raise DataError(f"{out}: no picture is written as {out.suffix!r}", mend="name a .jpg or a .png")
    _, packed = cv2.imencode(out.suffix, np.vstack(rows), (cv2.IMWRITE_JPEG_QUALITY, _QUALITY))
    try:
        out.write_bytes(packed.tobytes())
    except OSError as error:
        raise DataError(f"{out}: {error.strerror}", mend="choose a file that can be written") from error
