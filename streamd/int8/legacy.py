"""The cutoff and quantile search of TensorRT 2 and 3 (sampleINT8, `IInt8LegacyCalibrator`).

A pair (cutoff, exponent) makes one threshold a tensor; the pair is one for the whole network and is found by trying
a grid and keeping what scores best. NVIDIA published the grid and not the regression. What is regressed here, and
is our own choice: the logarithm of the fraction of values above x, on x, over cutoff * M <= x <= M, where M is the
quantile 1 - 10^-exponent; the threshold is where that line says 10^-exponent. It is M again for an exponential
tail, and steadier than M where the last few bins are noise.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from streamd.int8.histogram import BINS, Histogram

POINTS = 32  # that a search tries at most
Score = Callable[[float, float], float]  # (cutoff, exponent) -> higher is better


@dataclass(frozen=True, slots=True)
class Choice:
    """A point of the grid and what it scored."""

    cutoff: float
    exponent: float
    score: float


def threshold(histogram: Histogram, cutoff: float = 1.0, exponent: float = 6.0) -> float:
    """Return the threshold for one point of the grid; the defaults are sampleINT8's.

    `cutoff` 1 takes the quantile itself, without a regression.
    """
    bins = histogram.bins()
    total = bins.sum()
    if not total:
        return 0.0
    beyond = np.maximum(total - np.cumsum(bins), 0) / total  # the fraction above the upper edge of each bin
    wanted = 10.0**-exponent
    quantile = int(np.argmax(beyond <= wanted * (1 + 1e-9))) + 1  # in bin widths
    edges = np.arange(1, BINS + 1)
    region = (edges >= cutoff * quantile) & (edges <= quantile) & (beyond > 1e-15)
    if cutoff >= 1 or region.sum() < 2:
        return histogram.amax * quantile / BINS
    slope, level = np.polyfit(edges[region], np.log(beyond[region]), 1)
    crossing = (np.log(wanted) - level) / slope if slope < 0 else quantile
    return histogram.amax * float(np.clip(crossing, cutoff * quantile, BINS)) / BINS


def search(score: Score) -> Choice:
    """Return the best point of sampleINT8's grid, one axis at a time, first coarsely and then finely.

    Every step starts from the best point so far: the exponents 2 to 8 taking the quantile itself, the cutoffs 0.40 to
    0.70, the exponents 0.1 apart and, where there is a regression, the cutoffs 0.01 apart. That is 24 or 32 points
    of the 67 or 155 that the sample tries: each costs a run over the pictures.
    """
    best = _best(score, [(1.0, float(exponent)) for exponent in range(2, 9)])
    best = max(best, _best(score, [(round(0.40 + 0.05 * i, 2), best.exponent) for i in range(7)]), key=_score)
    fine = [(best.cutoff, round(best.exponent + 0.1 * i, 1)) for i in range(-5, 6) if i]
    best = max(best, _best(score, fine), key=_score)
    if best.cutoff == 1:
        return best
    fine = [(round(best.cutoff + 0.01 * i, 2), best.exponent) for i in range(-4, 5) if i]
    return max(best, _best(score, fine), key=_score)


def _best(score: Score, points: Iterable[tuple[float, float]]) -> Choice:
    return max((Choice(c, e, score(c, e)) for c, e in points), key=_score)


def _score(choice: Choice) -> float:
    return choice.score
