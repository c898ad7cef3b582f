"""The layout of TensorRT's EfficientNMS, in any order: counts (N, 1), boxes (N, k, 4), scores and classes (N, k)."""

from collections.abc import Sequence
from typing import Any, NamedTuple, Unpack

import numpy.typing as npt

from streamd.frames import Detections
from streamd.letterbox import Letterbox
from streamd.manifest import Manifest
from streamd.postprocess.select import Options, mismatch, select, unwarned

WANTED = (
    "counts (N, 1), boxes (N, k, 4), scores (N, k) and classes (N, k), "
    "named so in the manifest or told apart by their shapes and types"
)
NAMED = ("num", "box", "score", "class")  # what a name contains, in the order of `Found`


class Found(NamedTuple):
    """The four outputs, in one order."""

    counts: npt.NDArray[Any]
    boxes: npt.NDArray[Any]
    scores: npt.NDArray[Any]
    classes: npt.NDArray[Any]


class EfficientNMS:
    """Reads boxes x1, y1, x2, y2 in input pixels, already suppressed: `iou` has no say here."""

    def __init__(self, manifest: Manifest, **options: Unpack[Options]) -> None:
        self._manifest = manifest
        self._selection = select(manifest, **options)

    def __call__(self, outputs: Sequence[npt.NDArray[Any]], geometries: Sequence[Letterbox]) -> list[Detections]:
        """Return the detections of each row; ModelError when the outputs are others, or cannot be told apart."""
        found = self._find(outputs)
        return [self._read(found, row, geometry) for row, geometry in enumerate(geometries)]

    def _find(self, outputs: Sequence[npt.NDArray[Any]]) -> Found:
        found = _by_name(self._manifest, outputs) or _by_shape(outputs)
        if found is None or not _agree(found):
            raise mismatch(self._manifest, outputs, WANTED)
        return found

    @unwarned
    def _read(self, found: Found, row: int, geometry: Letterbox) -> Detections:
        count = max(0, int(found.counts[row].item()))
        chosen = self._selection.candidates(found.scores[row, :count])
        return self._selection.detections(
            found.boxes[row, chosen], found.scores[row, chosen], found.classes[row, chosen], geometry, suppress=False
        )


def _by_name(manifest: Manifest, outputs: Sequence[npt.NDArray[Any]]) -> Found | None:
    names = [output.name.lower() for output in manifest.outputs]
    places = [[place for place, name in enumerate(names) if part in name] for part in NAMED]
    if len(names) != len(outputs) or any(len(place) != 1 for place in places):
        return None
    return Found(*(outputs[place[0]] for place in places))


def _by_shape(outputs: Sequence[npt.NDArray[Any]]) -> Found | None:
    boxes = [output for output in outputs if output.ndim == 3]
    scores = [output for output in outputs if output.ndim == 2 and output.dtype.kind == "f"]
    whole = [output for output in outputs if output.ndim <= 2 and output.dtype.kind == "i"]
    counts = [output for output in whole if output[:1].size == 1]
    classes = [output for output in whole if output[:1].size != 1]
    if any(len(alike) != 1 for alike in (counts, boxes, scores, classes)):
        return None
    return Found(counts[0], boxes[0], scores[0], classes[0])


def _agree(found: Found) -> bool:
    rows = found.scores.shape
    return (
        len(rows) == 2
        and found.classes.shape == rows
        and found.boxes.shape == (*rows, 4)
        and found.counts.size == rows[0]
    )
