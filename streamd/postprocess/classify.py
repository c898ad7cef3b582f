"""The layout of classifiers: (N, classes), logits or probabilities; the whole picture is the box of every answer."""

from collections.abc import Sequence
from typing import Any, Unpack

import numpy as np
import numpy.typing as npt

from streamd.frames import F32, Detections
from streamd.letterbox import Letterbox
from streamd.manifest import Manifest
from streamd.postprocess.select import Options, expect, select, unwarned

TOP = 5  # the most answers a picture gets; `max_detections` may lower it


class Classify:
    """Gives the likeliest classes whose probability reaches `confidence`. `iou` has no say here."""

    def __init__(self, manifest: Manifest, **options: Unpack[Options]) -> None:
        self._manifest = manifest
        self._selection = select(manifest, **options)
        self._top = min(TOP, self._selection.max_detections)

    def __call__(self, outputs: Sequence[npt.NDArray[Any]], geometries: Sequence[Letterbox]) -> list[Detections]:
        """Return the answers of each row; ModelError when the output has another shape."""
        labels = len(self._manifest.labels)
        shape = outputs[0].shape
        fits = len(shape) >= 2 and outputs[0][:1].size == shape[1] and labels in {0, shape[1]}
        expect(self._manifest, outputs, f"one (N, {labels or 'classes'})", fits=fits)
        rows = outputs[0].reshape(shape[0], shape[1])
        return [self._read(row, geometry) for row, geometry in zip(rows, geometries, strict=False)]

    @unwarned
    def _read(self, row: npt.NDArray[Any], geometry: Letterbox) -> Detections:
        scores = probabilities(row.astype(np.float32, copy=False))
        chosen = self._selection.candidates(scores)
        if self._selection.classes is not None:
            chosen = chosen[np.isin(chosen, list(self._selection.classes))]
        chosen = chosen[: self._top]
        whole = np.array([0, 0, geometry.src_width, geometry.src_height], np.float32)
        return Detections(np.tile(whole, (len(chosen), 1)), scores[chosen], chosen.astype(np.int32))


def probabilities(values: F32) -> F32:
    """Return (N,) as probabilities: the softmax, unless they are some already (within 0..1, and 1 together).

    A row with an infinity or a NaN has no probabilities: NaN, which no threshold passes.
    """
    if not np.isfinite(values).all():
        return np.full_like(values, np.nan)
    if values.min() >= 0 and values.max() <= 1 and abs(float(values.sum()) - 1) < 0.01:
        return values
    powers: F32 = np.exp(values - values.max())
    powers /= powers.sum()
    return powers
