"""The cutoff and quantile search of TensorRT 2 and 3 (sampleINT8, `IInt8LegacyCalibrator`).

A pair (cutoff, exponent) makes one threshold a tensor; the pair is one for the whole network and is found by trying
a grid and keeping what scores best. NVIDIA published the grid and not the regression. What is regressed here, and
is our own choice: the logarithm of the fraction of values above x, on x, over cutoff * M <= x <= M, where M is the
quantile 1 - 10^-exponent; the threshold is where that line says 10^-exponent. It is M again for an exponential
tail, and steadier than M where the last few bins are noise.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from streamd.int8.histogram import BINS, Histogram

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
    """Return the best point of sampleINT8's grid: a coarse pass, then a fine one around its winner.

    Calls `score` 56 times, then 11 (where the winner takes the quantile itself) or 99 times.
    """
    coarse = _best(score, _coarse())
    return max(coarse, _best(score, _fine(coarse)), key=lambda choice: choice.score)


def _best(score: Score, points: Iterator[tuple[float, float]]) -> Choice:
    return max((Choice(c, e, score(c, e)) for c, e in points), key=lambda choice: choice.score)


def _coarse() -> Iterator[tuple[float, float]]:
    for cutoff in (1.0, *(round(0.40 + 0.05 * i, 2) for i in range(7))):
        yield from ((cutoff, float(exponent)) for exponent in range(2, 9))


def _fine(around: Choice) -> Iterator[tuple[float, float]]:
    cutoffs = (1.0,) if around.cutoff == 1 else tuple(round(around.cutoff + 0.01 * i, 2) for i in range(-4, 5))
    for cutoff in cutoffs:
        yield from ((cutoff, round(around.exponent + 0.1 * i, 1)) for i in range(-5, 6))
