"""How far two models find the same on the same pictures: a score for those who have video and no labels.

A detection is *firm* when its score reaches the confidence threshold, and *faint* when it misses it by at most
`MARGIN`. On each picture, detections of the two sides with one class are paired one to one: first the firm with the
firm, then firm ones that are left with faint ones, the greatest IoU first, down to 0.5 or 0.9. The agreement is

    (firm detections of one side that have a partner + those of the other side) / (all firm detections of both)

It is symmetric, 1 when both find the same and 0 when they share nothing, and without faint partners it is the F1
score of either side against the other. Faint partners are there because a threshold cuts: a bottle scored 0.2501 by
one model and 0.2499 by the other is agreed upon. `strict` is the same figure without them.
"""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

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
    firm: int = 0  # detections of both sides
    partnered: dict[float, int] = field(default_factory=lambda: {0.5: 0, 0.9: 0})  # firm ones, by the least IoU
    strictly: dict[float, int] = field(default_factory=lambda: {0.5: 0, 0.9: 0})
    drifts: list[float] = field(default_factory=list)

    def add(self, one: Detections, other: Detections) -> None:
        """Add what the model (`one`) and the reference (`other`) found on one picture."""
        firm_one, firm_other = one.scores >= self.confidence, other.scores >= self.confidence
        self.pictures += 1
        self.firm += int(firm_one.sum() + firm_other.sum())
        overlaps = iou(one.boxes, other.boxes)
        overlaps[np.not_equal.outer(one.class_ids, other.class_ids)] = 0
        firm = np.add.outer(firm_one.astype(int), firm_other.astype(int))  # members of the pair, 0 to 2
        for least in self.partnered:
            pairs = _pairs(np.where(overlaps >= least, overlaps, 0), firm)
            self.partnered[least] += sum(int(firm[pair]) for pair in pairs)
            self.strictly[least] += sum(2 for pair in pairs if firm[pair] == 2)
            if least == 0.5:
                self.drifts += [float(one.scores[left] - other.scores[right]) for left, right in pairs]

    def result(self) -> Agreement:
        """Return the figures; agreement is 1 where neither side found anything."""
        drifts = np.array(self.drifts)
        return Agreement(
            pictures=self.pictures,
            detections=self.firm,
            matched50=self._part(self.partnered[0.5]),
            matched90=self._part(self.partnered[0.9]),
            strict50=self._part(self.strictly[0.5]),
            strict90=self._part(self.strictly[0.9]),
            drift=float(drifts.mean()) if self.drifts else None,
            drift_abs=float(np.abs(drifts).mean()) if self.drifts else None,
        )

    def _part(self, count: int) -> float:
        return count / self.firm if self.firm else 1.0


def _pairs(overlaps: F32, firm: npt.NDArray[np.int_]) -> list[tuple[int, int]]:
    """Pair rows with columns that overlap, by most firm members, then by the greatest overlap; none twice."""
    lefts, rights = np.nonzero((overlaps > 0) & (firm > 0))
    taken_left, taken_right = set[int](), set[int]()
    pairs = []
    for index in np.lexsort((-overlaps[lefts, rights], -firm[lefts, rights])):
        left, right = int(lefts[index]), int(rights[index])
        if left not in taken_left and right not in taken_right:
            taken_left.add(left)
            taken_right.add(right)
            pairs.append((left, right))
    return pairs
