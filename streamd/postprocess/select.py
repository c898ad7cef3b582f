"""What every detector head does around its own decoding: choose candidate rows, suppress, map back to the source.

Each row speaks for its best class only. A score counts from `confidence` on; NaN and infinity count nowhere.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypedDict, Unpack

import numpy as np
import numpy.typing as npt

from streamd.errors import ModelError
from streamd.frames import F32, I32, Detections
from streamd.letterbox import Letterbox
from streamd.manifest import Manifest
from streamd.postprocess.boxes import Indices, best_first, nms

# The best rows, of all classes, that reach NMS: far more than a frame shows, and a bound for a model gone wild.
MOST_CANDIDATES = 3000

# Decoded coordinates are held within this many pixels, so that areas stay finite in float32.
FARTHEST = 1e6


# Decorates what decodes: garbage may overflow or become NaN on its way, and `Selection` drops it at the end.
unwarned = np.errstate(over="ignore", invalid="ignore")


class Options(TypedDict, total=False):
    """What every head may be told: 0.25, 0.45, 300 and all classes when it is not."""

    confidence: float
    iou: float
    max_detections: int
    classes: frozenset[int] | None


@dataclass(frozen=True, slots=True)
class Selection:
    """Which detections are wanted. `classes` None is all of them; `labels` bounds the class ids where it is not 0."""

    confidence: float
    iou: float
    max_detections: int
    classes: frozenset[int] | None
    labels: int

    def candidates(self, scores: npt.NDArray[Any]) -> Indices:
        """Return the rows of scores (N,) that count, best first, equal scores in row order, at most 3,000."""
        rows = np.flatnonzero(scores >= self.confidence)
        return rows[best_first(scores[rows].astype(np.float32, copy=False))[:MOST_CANDIDATES]]

    def detections(
        self, boxes: F32, scores: F32, class_ids: npt.NDArray[Any], geometry: Letterbox, *, suppress: bool = True
    ) -> Detections:
        """Return what is wanted of decoded candidates, boxes (N, 4) x1, y1, x2, y2 in input pixels.

        Boxes that are not finite, or have no area inside the source, are dropped; a score above 1 becomes 1.

        Raises:
            ModelError: a class that the manifest has no label for.
        """
        boxes, scores = boxes.astype(np.float32, copy=False), scores.astype(np.float32, copy=False)
        source = geometry.to_source(boxes)
        wanted = (source[:, 2] > source[:, 0]) & (source[:, 3] > source[:, 1])
        wanted &= np.isfinite(boxes).all(axis=1) & np.isfinite(class_ids)
        wanted &= (scores >= self.confidence) & (scores < np.inf)
        if self.classes is not None:
            wanted &= np.isin(class_ids, list(self.classes))
        rows = np.flatnonzero(wanted)
        ids = class_ids[rows].astype(np.int32)
        self._check(ids)
        if suppress:
            near = np.clip(boxes[rows], -FARTHEST, FARTHEST)
            kept = nms(near, scores[rows], ids, self.iou, self.max_detections)
        else:
            kept = best_first(scores[rows])[: self.max_detections]
        rows = rows[kept]
        return Detections(source[rows], np.minimum(scores[rows], 1), ids[kept])

    def _check(self, class_ids: I32) -> None:
        if self.labels and class_ids.size and not 0 <= class_ids.min() <= class_ids.max() < self.labels:
            odd = class_ids.max() if class_ids.min() >= 0 else class_ids.min()
            raise ModelError(
                f"the model found class {odd}, the manifest has {self.labels} labels",
                mend="list every class of the model in the manifest's labels",
            )


def select(manifest: Manifest, **options: Unpack[Options]) -> Selection:
    """Return the selection that a head's options and its manifest make."""
    return Selection(
        confidence=options.get("confidence", 0.25),
        iou=options.get("iou", 0.45),
        max_detections=options.get("max_detections", 300),
        classes=options.get("classes"),
        labels=len(manifest.labels),
    )


def corners(centres: F32) -> F32:
    """Return boxes (N, 4) as x1, y1, x2, y2 from centre x, centre y, width, height."""
    half = centres[:, 2:] / 2
    return np.concatenate((centres[:, :2] - half, centres[:, :2] + half), axis=1)


def expect(manifest: Manifest, outputs: Sequence[npt.NDArray[Any]], wanted: str, *, fits: bool) -> None:
    """Refuse outputs that are not what the head reads.

    Raises:
        ModelError: `fits` is false.
    """
    if not fits:
        raise mismatch(manifest, outputs, wanted)


def mismatch(manifest: Manifest, outputs: Sequence[npt.NDArray[Any]], wanted: str) -> ModelError:
    """Return the error that names both sides: what the head reads, and what the model gave."""
    got = ", ".join(f"{output.dtype} {output.shape}" for output in outputs)
    return ModelError(
        f"head {manifest.head} with {len(manifest.labels)} labels reads {wanted}; the model gave {got or 'nothing'}",
        mend="correct the head or the labels in the manifest",
    )
