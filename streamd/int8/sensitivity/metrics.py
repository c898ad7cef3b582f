"""How far the raw answers of a quantized model lie from those of the float model, and whether two orders agree.

x is the float model's answer, y the other's. Every metric is higher where more was lost, so that all sort alike:

mse      mean (x - y)^2
sqnr     10 log10(|x - y|^2 / |x|^2), in dB: the signal-to-quantization-noise ratio with its sign turned
cosine   1 - cos(x, y)
kl       of scores: mean Kullback-Leibler divergence of what the sigmoid (or softmax) of y says from that of x, in nats
drop     how much worse the answers are as detections (outcome.py)
range    the ratio of weight ranges (screen.py)

Formulas: facts D.8 of issue 5.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from streamd.int8.session import Array

METRICS = ("mse", "sqnr", "cosine", "kl", "range", "drop")
LEAST_NOISE = 1e-13  # of the signal: below it, -130 dB, is what the order of additions does to a float32
LARGEST = float(np.finfo(np.float32).max)
LEAST_CHANCE = 1e-7  # a float32 knows no probability nearer to 1


@dataclass(slots=True)
class Tally:
    """Sums over pictures, from which the metrics of one part of the answers follow."""

    count: int = 0
    signal: float = 0.0  # sum of x^2
    noise: float = 0.0  # of (x - y)^2
    other: float = 0.0  # of y^2
    product: float = 0.0  # of x y
    divergence: float = 0.0
    chances: int = 0

    def add(self, x: Array, y: Array, kl: str = "") -> None:
        """Add one picture's answers; `kl` is sigmoid or softmax where they are logits of scores.

        What is no number counts as the largest: so whatever makes answers of NaN is the most sensitive of all.
        """
        one, two = (_numbers(z.astype(np.float64)) for z in (x, y))
        self.count += one.size
        self.signal += _dot(one, one)
        self.noise += _dot(one - two, one - two)
        self.other += _dot(two, two)
        self.product += _dot(one, two)
        if kl:
            self.divergence += divergence(one, two, softmax=kl == "softmax")
            self.chances += 1 if kl == "softmax" else one.size

    def metrics(self) -> dict[str, float]:
        """Return the metrics by name."""
        lengths = math.sqrt(self.signal * self.other)
        found = {
            "mse": self.noise / max(self.count, 1),
            "sqnr": 10 * math.log10(max(self.noise, LEAST_NOISE * self.signal, 1e-300) / max(self.signal, 1e-300)),
            "cosine": max(0.0, 1 - self.product / lengths) if lengths else float(self.noise > 0),
        }
        return found | ({"kl": self.divergence / self.chances} if self.chances else {})


@dataclass(frozen=True, slots=True)
class Measure:
    """What one choice of groups did: the metrics of each part of the raw answers, and `whole`, over all parts.

    `whole` has the mean of the parts (of the ratio behind sqnr, not of dB) and the drop of the answers' quality.
    """

    parts: dict[str, dict[str, float]]
    whole: dict[str, float]

    @classmethod
    def of(cls, tallies: Mapping[str, Tally], drop: float) -> "Measure":
        """Return what the `tallies` of all parts come to."""
        parts = {part: tally.metrics() for part, tally in tallies.items()}
        whole = {}
        for metric in METRICS:
            known = [values[metric] for values in parts.values() if metric in values]
            if metric == "sqnr":
                whole[metric] = 10 * math.log10(sum(10 ** (value / 10) for value in known) / len(known))
            elif known:
                whole[metric] = sum(known) / len(known)
        return cls(parts, whole | {"drop": drop})

    def less(self, other: "Measure") -> "Measure":
        """Return the differences to `other`, metric by metric."""
        parts = {part: _less(values, other.parts[part]) for part, values in self.parts.items()}
        return Measure(parts, _less(self.whole, other.whole))


def divergence(x: Array, y: Array, *, softmax: bool) -> float:
    """Return the sum of sum_k p_k log(p_k / q_k), for p and q the chances that the logits `x` and `y` (N,) stand for.

    With the sigmoid every logit stands for two chances, with `softmax` all logits for one distribution.
    """
    if softmax:
        p, q = (np.exp(z - z.max()) / np.exp(z - z.max()).sum() for z in (x, y))
        p, q = np.clip(p, LEAST_CHANCE, 1), np.clip(q, LEAST_CHANCE, 1)
        return float((p * np.log(p / q)).sum())
    p, q = (np.clip(1 / (1 + np.exp(-np.clip(z, -80, 80))), LEAST_CHANCE, 1 - LEAST_CHANCE) for z in (x, y))
    return float((p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q))).sum())


def ranks(values: Sequence[float]) -> list[int]:
    """Return the rank of each value, 1 for the highest; equal values share theirs, as in "two seconds, no third"."""
    return [1 + sum(other > value for other in values) for value in values]


def correlation(one: Sequence[float], other: Sequence[float]) -> float | None:
    """Return Spearman's rank correlation, equal values sharing their mean rank; None where a side does not vary."""
    a, b = _mean_ranks(one), _mean_ranks(other)
    if len(a) < 2 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return None
    return float(np.corrcoef(a, b)[0, 1])


def correlations(table: Mapping[str, Sequence[float]], against: str) -> dict[str, float | None]:
    """Return the rank correlation of every column of `table` with the column `against`."""
    return {name: correlation(values, table[against]) for name, values in table.items() if name != against}


def _less(one: Mapping[str, float], other: Mapping[str, float]) -> dict[str, float]:
    return {metric: value - other[metric] for metric, value in one.items()}


def _numbers(z: Array) -> Array:
    if np.isfinite(z).all():
        return z
    return np.nan_to_num(z, nan=LARGEST, posinf=LARGEST, neginf=-LARGEST)


def _dot(one: Array, other: Array) -> float:
    """Return the inner product, without BLAS: its threads would contend with those of ONNX Runtime."""
    return float(np.einsum("i,i->", one, other))


def _mean_ranks(values: Sequence[float]) -> Array:
    array = np.asarray(values, np.float64)
    return np.array([((array < value).sum() + (array <= value).sum() + 1) / 2 for value in array])
