"""Overlap and suppression of rotated boxes, in numpy: the definition that a kernel is held to.

A box is x1, y1, x2, y2 before it is turned by `angle` radians about its centre, from x towards y. As a row
(centre x, centre y, half width, half height, cosine, sine) it is `turned`, and everything below counts in that.

The shared area is a line integral (Green's theorem): seen from the second box, which then stands upright about the
origin, it is that of clamp(x) d clamp(y) along the edges of the first. No corner is sorted and no case told apart,
so boxes that nearly coincide lose nothing but rounding. All is float32, rounded at each step.
"""

import numpy as np

from streamd.frames import F32, I32
from streamd.postprocess.boxes import BLOCK, Indices, best_first


def turned(boxes: F32, angles: F32) -> F32:
    """Return (N, 6): centre, half of the size, cosine and sine, of boxes (N, 4) and angles (N,)."""
    centre = (boxes[:, :2] + boxes[:, 2:]) * np.float32(0.5)
    half = (boxes[:, 2:] - boxes[:, :2]) * np.float32(0.5)
    return np.column_stack((centre, half, np.cos(angles), np.sin(angles)))


def nms_rotated(boxes: F32, scores: F32, class_ids: I32, iou_threshold: float, limit: int) -> Indices:
    """Return which boxes (N, 6), turned and finite, are kept, best first, at most `limit`; the order is boxes.py's."""
    order = best_first(scores)
    boxes, class_ids = boxes[order], class_ids[order]
    kept: list[int] = []
    alive = np.ones(len(order), np.bool_)
    for row in range(len(order)):
        if not alive[row]:
            continue
        kept.append(row)
        if len(kept) == limit:
            break
        # Pairs are many and dear: only those of one class that may touch at all are looked at.
        rivals = row + 1 + np.flatnonzero(alive[row + 1 :] & (class_ids[row + 1 :] == class_ids[row]))
        for start in range(0, len(rivals), BLOCK):
            part = rivals[start : start + BLOCK]
            alive[part] = iou(boxes[row : row + 1], boxes[part])[0] <= np.float32(iou_threshold)
    return order[kept[:limit]]


def iou(left: F32, right: F32) -> F32:
    """Return (N, M): intersection over union of turned boxes (N, 6) with (M, 6); 0 where both are empty."""
    shared = shared_area(left, right)
    union = np.add.outer(_area(left), _area(right)) - shared
    overlap: F32 = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
    return overlap


def shared_area(left: F32, right: F32) -> F32:
    """Return (N, M): the area that turned boxes (N, 6) share with (M, 6)."""
    ax, ay, aw, ah, ac, as_ = (column[:, None] for column in left.T)
    bx, by, bw, bh, bc, bs = (column[None, :] for column in right.T)
    dx, dy = ax - bx, ay - by
    x, y = dx * bc + dy * bs, dy * bc - dx * bs
    cosine, sine = ac * bc + as_ * bs, as_ * bc - ac * bs
    wx, wy, hx, hy = aw * cosine, aw * sine, ah * sine, ah * cosine
    px = (x - wx + hx, x + wx + hx, x + wx - hx, x - wx - hx)
    py = (y - wy - hy, y + wy - hy, y + wy + hy, y - wy + hy)
    area: F32 = np.zeros_like(x)
    for i in range(4):
        j = (i + 1) % 4
        area = area + _edge_area(px[i], py[i], px[j], py[j], bw, bh)
    return area


def _area(boxes: F32) -> F32:
    area: F32 = np.float32(4) * boxes[:, 2] * boxes[:, 3]
    return area


def _edge_area(px: F32, py: F32, qx: F32, qy: F32, half_width: F32, half_height: F32) -> F32:
    """Return the integral of clamp(x) d clamp(y) along the edges from p to q."""
    y0, y1 = np.clip(py, -half_height, half_height), np.clip(qy, -half_height, half_height)
    rise = qy - py
    flat = (rise == 0) | (y1 == y0)
    steep = np.where(flat, np.float32(1), rise)
    x0 = px + (y0 - py) / steep * (qx - px)
    x1 = px + (y1 - py) / steep * (qx - px)
    low, high = np.minimum(x0, x1), np.maximum(x0, x1)
    low_in, high_in = np.clip(low, -half_width, half_width), np.clip(high, -half_width, half_width)
    left = np.minimum(high, -half_width) - np.minimum(low, -half_width)
    right = np.maximum(high, half_width) - np.maximum(low, half_width)
    middle = (high_in - low_in) * ((low_in + high_in) * np.float32(0.5))
    upright = high <= low
    spread = np.where(upright, np.float32(1), high - low)
    mean = np.where(upright, low_in, (middle + (right - left) * half_width) / spread)
    area: F32 = np.where(flat, np.float32(0), mean * (y1 - y0))
    return area
