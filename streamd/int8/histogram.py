"""A histogram of |x| of one tensor, gathered while it streams by, in constant memory.

The range starts at a power of two and doubles, merging pairs of bins, whenever a larger value comes. So the result
depends neither on the order of the data nor on how it was split: histograms of parts add up exactly. While it
grows it is kept in `FINE` bins, four times more than the methods read, so that `bins()` can lay the usual 2,048
over [0, largest value] exactly, as TensorRT does, wherever in the last doubling that value fell.
"""

import math
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from streamd.errors import DataError
from streamd.frames import F32

I64 = npt.NDArray[np.int64]
F64 = npt.NDArray[np.float64]

BINS = 2048
FINE = 4 * BINS
SMALLEST_RANGE = 2.0**-40  # what is smaller than this quantizes to zero at any scale that float16 can hold
CHUNK = 1 << 16  # elements; a chunk and its bin numbers stay in the L2 cache: 1.8 ns an element against 6.1


@dataclass(slots=True)
class Histogram:
    """How often |x| fell into each of `FINE` bins over [0, range), with the exact ends of x. Empty at first."""

    range: float = 0.0
    minimum: float = math.inf
    maximum: float = -math.inf
    counts: I64 = field(default_factory=lambda: np.zeros(FINE, np.int64))

    @property
    def amax(self) -> float:
        """The largest |x| seen; 0 while nothing was."""
        return max(abs(self.minimum), abs(self.maximum)) if self.total else 0.0

    @property
    def total(self) -> int:
        """How many values were seen."""
        return int(self.counts.sum())

    def add(self, x: F32, name: str) -> None:
        """Count the values of `x`, a tensor of any shape called `name`.

        Raises:
            DataError: a value is NaN or infinite.
        """
        if not x.size:
            return
        low, high = float(x.min()), float(x.max())
        if not (math.isfinite(low) and math.isfinite(high)):
            raise DataError(
                f"tensor {name}: {_not_finite(x)} of {x.size} values are NaN or infinite",
                mend="calibrate with inputs preprocessed as in training, or mend the model",
            )
        self.minimum, self.maximum = min(self.minimum, low), max(self.maximum, high)
        self._grow(_range_for(max(-low, high)))
        self._count(np.ascontiguousarray(x, np.float32).ravel())

    def merge(self, other: "Histogram") -> None:
        """Count what `other` has counted."""
        if not other.total:
            return
        self.minimum, self.maximum = min(self.minimum, other.minimum), max(self.maximum, other.maximum)
        self._grow(other.range)
        self.counts += _coarsen(other.counts, self.range / other.range)

    def beyond(self, threshold: float) -> float:
        """Return the share of values whose |x| exceeds `threshold`, to the width of a fine bin."""
        if not self.total or threshold >= self.amax:
            return 0.0
        first = math.ceil(threshold / self.range * FINE)
        return float(self.counts[first:].sum()) / self.total

    def bins(self) -> F64:
        """Return the counts in 2,048 equal bins over [0, amax].

        A fine bin that straddles an edge is divided in proportion, so the counts are no whole numbers. All are zero
        while nothing was seen.
        """
        if not self.total:
            return np.zeros(BINS)
        if self.amax < self.range / FINE:  # everything in the first fine bin, of which no more is known
            return np.concatenate([np.zeros(BINS - 1), [float(self.total)]])
        edges = np.linspace(0, self.amax, BINS + 1) * (FINE / self.range)
        below = np.interp(edges, np.arange(FINE + 1), np.concatenate([[0], np.cumsum(self.counts)]))
        below[-1] = self.total  # the bin that holds the largest value reaches beyond it
        return np.diff(below)

    def _grow(self, wanted: float) -> None:
        if wanted > self.range:
            if self.range:
                self.counts = _coarsen(self.counts, wanted / self.range)
            self.range = wanted

    def _count(self, flat: F32) -> None:
        scale = np.float32(FINE / self.range)  # a power of two: the product is exact
        size = np.empty(min(CHUNK, flat.size), np.float32)
        index = np.empty(size.shape, np.intp)
        for start in range(0, flat.size, CHUNK):
            part = flat[start : start + CHUNK]
            a, i = size[: part.size], index[: part.size]
            np.abs(part, out=a)
            a *= scale
            i[...] = a
            self.counts += np.bincount(i, minlength=FINE)


def _range_for(amax: float) -> float:
    """Return the smallest power of two above `amax`."""
    return max(SMALLEST_RANGE, 2.0 ** math.frexp(amax)[1])


def _coarsen(counts: I64, ratio: float) -> I64:
    """Merge neighbours, `ratio` (a power of two) into one."""
    out = np.zeros(FINE, np.int64)
    if ratio >= FINE:
        out[0] = counts.sum()
        return out
    merged = counts.reshape(-1, int(ratio)).sum(axis=1)
    out[: merged.size] = merged
    return out


def _not_finite(x: F32) -> int:
    return int(x.size - np.isfinite(x).sum())
