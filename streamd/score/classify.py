"""Top-1 and Top-5 of a classifier."""

from collections.abc import Sequence
from dataclasses import dataclass

from streamd.frames import Detections
from streamd.score.truth import Truth


@dataclass(frozen=True, slots=True)
class ClassifyScore:
    """The part of the pictures whose class is the likeliest answer, and among the five likeliest."""

    top1: float
    top5: float


def score(truths: Sequence[Truth], found: Sequence[Detections]) -> ClassifyScore:
    """Score answers, likeliest first, against the one class of each picture."""
    hits = [(int(truth.class_ids[0]), answers.class_ids.tolist()) for truth, answers in zip(truths, found, strict=True)]
    return ClassifyScore(
        sum(kind in answers[:1] for kind, answers in hits) / len(hits),
        sum(kind in answers[:5] for kind, answers in hits) / len(hits),
    )
