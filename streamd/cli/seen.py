"""The pictures of --data that repairs and training see: those that no judge sees, as the model takes them."""

from typing import TYPE_CHECKING, Any

import numpy as np

from streamd.errors import DataError

if TYPE_CHECKING:
    from streamd.int8.quantize import Workpiece
    from streamd.int8.session import Array

HELD_OUT = 4  # of so many pictures one is kept to judge on, where there is no --judge
JUDGED = 64  # pictures, at most
MEMORY = 2 << 30  # bytes of pictures held at a time


def inputs(piece: "Workpiece", given: dict[str, Any], option: str, most: int = 0) -> "list[Array]":
    """Return what the model is fed, (N, C, H, W) a picture: at most `most` of them, evenly chosen; 0 for what fits.

    N is 1, but for models of a fixed batch: all N rows are the same picture. `option` is what errors say wants them.

    Raises:
        DataError: there is none.
    """
    from streamd.int8 import data  # noqa: PLC0415 - the libraries take longer to import than `streamd --help` may

    sources = data.find(given["data"])
    shown = data.shown(sources, given["frames"], part=given["part"])
    free = (one for i, one in enumerate(shown) if given["judge"] or i % HELD_OUT != HELD_OUT - 1)
    rows = max(piece.manifest.batch, 1)
    kept: list[Array] = []
    stride = 1
    for i, one in enumerate(data.inputs(piece.manifest.input, free, sources.batches)):
        most = most or max(1, MEMORY // (one.nbytes * rows))
        if i % stride == 0:
            kept.append(np.repeat(one, rows, axis=0))
        if len(kept) > 2 * most:
            kept, stride = kept[::2], 2 * stride
    if not kept:
        raise DataError(f"{option} found no picture in --data", mend="name pictures, videos or batch files")
    chosen = np.linspace(0, len(kept) - 1, min(len(kept), most)).round()
    return [kept[int(i)] for i in chosen]
