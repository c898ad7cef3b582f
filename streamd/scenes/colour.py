"""From B, G, R pixels to the planes that cameras deliver: 8-bit YUV 4:2:0, BT.601, limited range."""

import cv2
import numpy as np

from streamd.frames import U8


def to_i420(bgr: U8) -> tuple[U8, U8, U8]:
    """Return y (H, W), u and v ((H+1)//2, (W+1)//2) of `bgr` (H, W, 3), in BT.601 limited range.

    Odd sides are continued by their last row or column before the chroma is averaged.
    """
    height, width = bgr.shape[:2]
    even = cv2.copyMakeBorder(bgr, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)
    planes = np.asarray(cv2.cvtColor(even, cv2.COLOR_BGR2YUV_I420), np.uint8)
    rows, cols = even.shape[0], even.shape[1]
    quarter = rows * cols // 4
    flat = planes.reshape(-1)
    y = flat[: rows * cols].reshape(rows, cols)[:height, :width]
    u = flat[rows * cols : rows * cols + quarter].reshape(rows // 2, cols // 2)
    v = flat[rows * cols + quarter :].reshape(rows // 2, cols // 2)
    return y, u, v
