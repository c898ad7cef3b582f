"""From a histogram of |x| to `amax`, the largest value that INT8 shall represent; what is larger is clipped.

Each method reads 2,048 bins over [0, largest value]. None of them knows graphs or models. A tensor that was zero
throughout has the threshold 0: streamd/int8/scales.py decides what becomes of it.
"""

from collections.abc import Callable

import numpy as np

from streamd.int8 import legacy
from streamd.int8.histogram import BINS, F64, Histogram

LEVELS = 128  # of |x|: 0 to 127
Method = Callable[[Histogram], float]


def minmax(histogram: Histogram) -> float:
    """Return the largest |x|: nothing is clipped."""
    return histogram.amax


def percentile(histogram: Histogram, percent: float = 99.99) -> float:
    """Return the upper edge of the bin in which `percent` of all values are reached."""
    bins = histogram.bins()
    reached = np.cumsum(bins) >= bins.sum() * (percent / 100) * (1 - 1e-12)
    return histogram.amax * (int(np.argmax(reached)) + 1) / BINS


def entropy(histogram: Histogram) -> float:
    """Return the threshold that loses the least information, by TensorRT's search.

    Of all i in 128..2048 bins kept, the one whose 128-level version diverges least (Kullback-Leibler) from the
    distribution clipped there. amax = (i + 0.5) bin widths, though never above the largest value.
    Source: S. Migacz, "8-bit inference with TensorRT", GTC 2017, s7310. As in NVIDIA's pytorch-quantization, the
    first bin is given the count of the second: zero is exact at any scale, and the zeros that ReLU makes would
    otherwise be most of what the search sees. (On SiLU networks that changes 4 of 373 tensors.)

    The search is kept as published, with its weakness: what is clipped is added to the last bin kept, so a bin that
    is tall already hides it. SiLU has such a bin at its floor, |x| = 0.2785, and where small values prevail the
    threshold ends there. That costs the bundled detector 0.033 mAP, and YOLOX-Nano everything: prefer `mse`.
    """
    bins = histogram.bins()
    bins[0] = bins[1]
    kept = _last_minimum(divergences(bins))
    return min(histogram.amax, histogram.amax * (kept + LEVELS + 0.5) / BINS)


def mse(histogram: Histogram) -> float:
    """Return the threshold, of the centres of bins 128..2047, at which rounding and clipping err least.

    The error is the squared one, weighted by the histogram (NVIDIA's pytorch-quantization).
    """
    if not histogram.amax:
        return 0.0
    bins = histogram.bins()
    centres: F64 = np.arange(BINS, dtype=np.float64) + 0.5  # in bin widths
    used = np.flatnonzero(bins)
    x, weight = centres[used], bins[used]
    best = min(range(LEVELS, BINS), key=lambda i: (_squared_error(x, weight, float(centres[i])), -i))
    return histogram.amax * float(centres[best]) / BINS


def histogram_observer(histogram: Histogram, step: float = 1e-5) -> float:
    """Return the threshold of PyTorch's HistogramObserver search, in its symmetric form.

    The tail is cut quantile by quantile, `step` at a time, for as long as the L2 norm of the error falls; the edge
    of the last bin kept is the threshold. PyTorch cuts at both ends of x. Here the scale is symmetric, so the left
    end of |x| stays 0 and both signs are cut as one. Nor is the first cut taken untried, as it is there: a tensor of
    a single value would lose it.
    """
    bins = histogram.bins()
    if not bins.sum():
        return 0.0
    quantiles = 1 - step * np.arange(1, round(1 / step))
    reached = np.cumsum(bins) / bins.sum()
    candidates = np.unique(np.searchsorted(reached, quantiles - 1e-12) + 1)[::-1]
    kept, norm = BINS, observer_norm(bins, BINS)
    for candidate in map(int, candidates[candidates < BINS]):
        error = observer_norm(bins, candidate)
        if error > norm:
            break
        kept, norm = candidate, error
    return histogram.amax * kept / BINS


METHODS: dict[str, Method] = {
    "minmax": minmax,
    "entropy": entropy,
    "percentile": percentile,
    "mse": mse,
    "histogram-observer": histogram_observer,
    "legacy": legacy.threshold,
}


def divergences(bins: F64) -> F64:
    """Return the KL divergence for each of 128..2048 bins kept; infinite where clipped values fall on an empty bin.

    Q of a bin is its group's mean over the bins in use, so the sum over P log(P / Q) falls into one term a group
    and prefix sums: 128 steps a candidate and not 2,048.
    """
    total = bins.sum()
    values = _prefix(bins)
    used = _prefix(bins > 0)
    p_log_p = _prefix(bins * _log(bins))
    out = np.full(BINS - LEVELS + 1, np.inf)
    for i in range(LEVELS, BINS + 1):
        last = bins[i - 1]
        outliers = total - values[i]
        inside = values[i]
        if inside <= 0 or (last <= 0 and outliers > total * 1e-15):
            continue
        edges = -(-np.arange(LEVELS + 1) * i // LEVELS)  # group g holds the bins j with floor(j * 128 / i) = g
        group, count = np.diff(values[edges]), np.diff(used[edges])
        log_q = _log(group / np.maximum(count, 1))
        clipped = last + outliers
        cross = group @ log_q + outliers * log_q[-1]
        own = p_log_p[i - 1] + clipped * _log(np.asarray(clipped))
        out[i - LEVELS] = (own - cross) / total + np.log(inside / total)
    return out


def observer_norm(bins: F64, kept: int) -> float:
    """Return the squared L2 error of 128 levels over the first `kept` bins, what lies beyond taken to the last level.

    The integral of (x - level)^2 over each bin, piece by piece between the borders of the levels.
    """
    width = kept / LEVELS  # of a level, in bins
    borders = np.union1d(np.arange(BINS + 1), np.arange(1, LEVELS) * width)
    low, high = borders[:-1], borders[1:]
    middle = (low + high) / 2
    level = (np.minimum(middle // width, LEVELS - 1) + 0.5) * width
    density = bins[np.minimum(middle.astype(np.intp), BINS - 1)]
    return float(density @ ((high - level) ** 3 - (low - level) ** 3)) / 3


def _squared_error(x: F64, weight: F64, amax: float) -> float:
    scale = amax / (LEVELS - 1)
    error = np.minimum(np.rint(x / scale), LEVELS - 1) * scale - x
    return float(weight @ (error * error))


def _last_minimum(values: F64) -> int:
    """Return the last index of the least value: of equals, the one that clips least. Rounding errors are equal."""
    return int(np.flatnonzero(values <= values.min() + 1e-9)[-1])


def _prefix(values: F64 | np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> F64:
    return np.concatenate([[0.0], np.cumsum(values, dtype=np.float64)])


def _log(values: F64) -> F64:
    """Return the logarithm, and 0 where there is none: such a value is always multiplied by 0."""
    return np.log(values, where=values > 0, out=np.zeros_like(values, dtype=np.float64))
