"""Overlap and non-maximum suppression of boxes, in numpy: the definition that a kernel is held to.

The order is total, so every device gives one answer: score descending, of equal scores the lower row first. A box is
suppressed by a kept box before it in that order, of the same class, whose IoU with it is above the threshold. IoU
and threshold are float32, and IoU is the shared area divided by (area + area - shared), rounded at each step.
"""

import numpy as np
import numpy.typing as npt

from streamd.frames import F32, I32

Indices = npt.NDArray[np.intp]
Mask = npt.NDArray[np.bool_]

BLOCK = 256  # candidates compared at once: a matrix of 256 x 256 float32 stays in the L2 cache


def nms(boxes: F32, scores: F32, class_ids: I32, iou_threshold: float, limit: int) -> Indices:
    """Return which boxes are kept, best first, at most `limit`.

    boxes (N, 4) x1, y1, x2, y2, finite; scores (N,); class_ids (N,).
    """
    order = best_first(scores)
    boxes, class_ids = boxes[order], class_ids[order]
    kept = np.empty(0, np.intp)
    for start in range(0, len(order), BLOCK):
        block = np.arange(start, min(start + BLOCK, len(order)))
        if kept.size:
            block = block[~_covers(boxes, class_ids, kept, block, iou_threshold).any(axis=0)]
        block = block[_greedy(_covers(boxes, class_ids, block, block, iou_threshold))]
        kept = np.concatenate((kept, block))
        if kept.size >= limit:
            break
    return order[kept[:limit]]


def iou(left: F32, right: F32) -> F32:
    """Return (N, M): intersection over union of boxes (N, 4) with boxes (M, 4); 0 where both are empty."""
    width = np.minimum.outer(left[:, 2], right[:, 2])
    width -= np.maximum.outer(left[:, 0], right[:, 0])
    height = np.minimum.outer(left[:, 3], right[:, 3])
    height -= np.maximum.outer(left[:, 1], right[:, 1])
    np.maximum(width, 0, out=width)
    np.maximum(height, 0, out=height)
    shared = np.multiply(width, height, out=width)
    union = np.add.outer(area(left), area(right))
    union -= shared
    overlap: F32 = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
    return overlap


def area(boxes: F32) -> F32:
    """Return (N,): the area of boxes (N, 4); 0 for one that is inside out."""
    extent: F32 = np.maximum(boxes[:, 2:] - boxes[:, :2], 0)
    return extent[:, 0] * extent[:, 1]


def best_first(scores: F32) -> Indices:
    """Return the rows by descending score, equal scores in row order."""
    return np.argsort(-scores, kind="stable")


def _covers(boxes: F32, class_ids: I32, by: Indices, of: Indices, iou_threshold: float) -> Mask:
    """Return (by, of): whether the one would suppress the other."""
    covers: Mask = iou(boxes[by], boxes[of]) > iou_threshold
    covers &= np.equal.outer(class_ids[by], class_ids[of])
    return covers


def _greedy(covers: Mask) -> Mask:
    """Return which of N ordered boxes survive each other, from (N, N): who would suppress whom."""
    alive = np.ones(len(covers), np.bool_)
    for row in np.flatnonzero(np.triu(covers, 1).any(axis=1)):
        if alive[row]:
            alive[row + 1 :] &= ~covers[row, row + 1 :]
    return alive
