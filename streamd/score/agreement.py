"""How far two models find the same on the same pictures: a score for those who have video and no labels.

A detection is *firm* when its score reaches the confidence threshold, and *faint* when it misses it by at most
`MARGIN`. On each picture, detections of the two sides with one class are paired one to one, the greatest IoU first;
a pair has an IoU of at least `iou`, and at least one firm member. The agreement is

    (firm detections of one side that have a partner + those of the other side) / (all firm detections of both)

It is symmetric, 1 when both find the same and 0 when they share nothing, and without faint partners it is the F1
score of either side against the other. Faint partners are there because a threshold cuts: a bottle scored 0.2501 by
one model and 0.2499 by the other is agreed upon. `strict` is the same figure with firm partners alone.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from streamd.frames import F32, Detections
from streamd.postprocess.boxes import iou

MARGIN = 0.05


@dataclass(frozen=True, slots=True)
class Agreement:
    """The figures of the module's docstring at IoU 0.5 and 0.9, and how scores drift between partners at 0.5.

    `drift` is the mean of this model's score less the reference's, `drift_abs` of its magnitude; None without a pair.
    `detections` counts the firm ones of both sides.
    """

    pictures: int
    detections: int
    matched50: float
    matched90: float
    strict50: float
    strict90: float
    drift: float | None
    drift_abs: float | None


@dataclass(slots=True)
class Tally:
    """Adds up pictures. `confidence` is the threshold of firm detections; both sides are run `MARGIN` below it."""

    confidence: float
    pictures: int = 0
    firm: int = 0
    partnered: dict[tuple[float, bool], int] = field(
        default_factory=lambda: {(overlap, strict): 0 for overlap in (0.5, 0.9) for strict in (False, True)}
    )
    drifts: list[float] = field(default_factory=list)

    def add(self, one: Detections, other: Detections) -> None:
        """Add what the model (`one`) and the reference (`other`) found on one picture."""
        self.pictures += 1
        firm_one, firm_other = one.scores >= self.confidence, other.scores >= self.confidence
        self.firm += int(firm_one.sum() + firm_other.sum())
        overlaps = iou(one.boxes, other.boxes)
        overlaps[np.not_equal.outer(one.class_ids, other.class_ids)] = 0
        for least, strict in self.partnered:
            either = np.logical_and if strict else np.logical_or
            for left, right in _pairs(np.where(either.outer(firm_one, firm_other), overlaps, 0), least):
                self.partnered[least, strict] += int(firm_one[left]) + int(firm_other[right])
                if least == 0.5 and not strict:
                    self.drifts.append(float(one.scores[left] - other.scores[right]))

    def result(self) -> Agreement:
        """Return the figures; agreement is 1 where neither side found anything."""
        matched = {key: count / self.firm if self.firm else 1.0 for key, count in self.partnered.items()}
        drifts = np.array(self.drifts)
        return Agreement(
            pictures=self.pictures,
            detections=self.firm,
            matched50=matched[0.5, False],
            matched90=matched[0.9, False],
            strict50=matched[0.5, True],
            strict90=matched[0.9, True],
            drift=float(drifts.mean()) if self.drifts else None,
            drift_abs=float(np.abs(drifts).mean()) if self.drifts else None,
        )


def _pairs(overlaps: F32, least: float) -> Iterator[tuple[int, int]]:
    """Yield pairs of (row, column), the greatest overlap first, down to `least`; no row and no column twice."""
    lefts, rights = np.nonzero(overlaps >= least)
    taken_left, taken_right = set[int](), set[int]()
    for index in np.argsort(-overlaps[lefts, rights], kind="stable"):
        left, right = int(lefts[index]), int(rights[index])
        if left not in taken_left and right not in taken_right:
            taken_left.add(left)
            taken_right.add(right)
            yield left, right
