import math

import numpy as np
import pytest

from streamd.int8.histogram import BINS, Histogram
from streamd.int8.thresholds import METHODS, divergences, entropy, histogram_observer, mse, observer_norm, percentile

RNG = np.random.default_rng(3)


def silu(x):
    return x / (1 + np.exp(-x))


SHAPES = {
    "random": RNG.random(20_000),
    "normal": RNG.normal(size=20_000),
    "relu": np.maximum(RNG.normal(size=20_000), 0),
    "silu": silu(3 * RNG.normal(size=20_000)),
    "heavy": RNG.standard_t(3, size=20_000),
    "spiky": np.concatenate([0.1 * RNG.normal(size=20_000), [50.0] * 3]),
    "comb": np.repeat(np.arange(1, 40) / 40, 500) ** 2,
    "few": RNG.random(50),
}


def of(x):
    histogram = Histogram()
    histogram.add(np.asarray(x, np.float32), "x")
    return histogram


def plain_entropy(bins):
    """The published search, word by word: returns how many of the 2,048 bins are kept."""
    bins = [float(b) for b in bins]
    bins[0] = bins[1]
    found = []
    for i in range(128, 2049):
        reference = bins[:i]
        reference[i - 1] += sum(bins[i:])
        groups = [[] for _ in range(128)]
        for j in range(i):
            groups[j * 128 // i].append(j)
        candidate = [0.0] * i
        for group in groups:
            used = [j for j in group if bins[j] > 0]
            total = sum(bins[j] for j in group)
            for j in used:
                candidate[j] = total / len(used)
        p_sum, q_sum = sum(reference), sum(candidate)
        divergence = 0.0
        for p, q in zip(reference, candidate, strict=True):
            if p > 1e-15 * p_sum:
                divergence += p / p_sum * math.log((p / p_sum) / (q / q_sum)) if q > 0 else math.inf
        found.append((i, divergence))
    least = min(divergence for _, divergence in found)
    return max(i for i, divergence in found if divergence <= least + 1e-9)


@pytest.mark.parametrize("shape", ["random", "relu", "silu", "spiky"])
def test_entropy_is_the_published_search(shape):
    histogram = of(SHAPES[shape])
    kept = plain_entropy(histogram.bins())
    assert entropy(histogram) == min(histogram.amax, histogram.amax * (kept + 0.5) / BINS)


def test_the_fast_divergence_is_a_relative_entropy():
    bins = of(SHAPES["silu"]).bins()
    kept = 700
    p = bins[:kept].copy()
    p[-1] += bins[kept:].sum()
    group = np.arange(kept) * 128 // kept
    q = (np.bincount(group, bins[:kept]) / np.maximum(np.bincount(group, bins[:kept] > 0), 1))[group] * (p > 0)
    p, q = p / p.sum(), q / q.sum()
    expected = (p[p > 0] * np.log(p[p > 0] / q[p > 0])).sum()
    assert divergences(bins)[kept - 128] == pytest.approx(expected)


def test_entropy_takes_the_floor_of_silu_for_the_end_of_the_data():
    x = silu(np.concatenate([-1.28 + 0.3 * RNG.normal(size=20_000), 2 * RNG.random(8_000)]))
    assert entropy(of(x)) == pytest.approx(0.2785, abs=0.002)
    assert mse(of(x)) > 1


def test_zeros_do_not_move_entropy():
    positive = np.abs(SHAPES["normal"])
    assert entropy(of(np.concatenate([positive, np.zeros(30_000)]))) == entropy(of(positive))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("shape", SHAPES)
def test_a_threshold_lies_between_zero_and_the_largest_value(method, shape):
    histogram = of(SHAPES[shape])
    assert 0 < METHODS[method](histogram) <= histogram.amax


@pytest.mark.parametrize("method", METHODS)
def test_all_zero_data_has_the_threshold_zero(method):
    assert METHODS[method](of(np.zeros(1000))) == 0


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("value", [3.7, -1.0, 1e-6, 1e-20, 1e20])
def test_a_single_value_is_its_own_threshold(method, value):
    assert METHODS[method](of([value] * 7)) == pytest.approx(abs(value), rel=1 / BINS)


@pytest.mark.parametrize("method", METHODS)
def test_a_threshold_scales_with_the_data(method):
    x = SHAPES["silu"]
    assert METHODS[method](of(1024 * x)) == pytest.approx(1024 * METHODS[method](of(x)))


def test_percentile_is_numpys_to_a_bin():
    x = np.abs(SHAPES["normal"])
    assert percentile(of(x), 99.0) == pytest.approx(np.quantile(x.astype(np.float32), 0.99), abs=2 * x.max() / BINS)


def test_mse_errs_less_than_its_neighbours():
    x = SHAPES["heavy"].astype(np.float32)

    def error(amax):
        scale = amax / 127
        return ((np.clip(np.rint(np.abs(x) / scale), 0, 127) * scale - np.abs(x)) ** 2).mean()

    best = mse(of(x))
    assert error(best) < 1.02 * min(error(amax) for amax in np.linspace(best / 3, np.abs(x).max(), 100))


def test_the_observer_norm_is_the_integral_over_even_density():
    bins = RNG.random(BINS)
    x = (np.arange(BINS * 64) + 0.5) / 64
    width = 900 / 128
    level = (np.minimum(x // width, 127) + 0.5) * width
    assert observer_norm(bins, 900) == pytest.approx((np.repeat(bins, 64) / 64 * (x - level) ** 2).sum(), rel=1e-3)


@pytest.mark.parametrize("shape", ["heavy", "relu", "comb"])
def test_the_observer_stops_at_the_first_rise(shape):
    histogram = of(SHAPES[shape])
    bins = histogram.bins()
    kept, norm = BINS, observer_norm(bins, BINS)
    for step in range(1, 100_000):  # one quantile after the other, as published
        inside = int(np.argmax(np.cumsum(bins) / bins.sum() >= 1 - step * 1e-5 - 1e-12)) + 1
        if inside < kept:
            if observer_norm(bins, inside) > norm:
                break
            kept, norm = inside, observer_norm(bins, inside)
    assert histogram_observer(histogram) == histogram.amax * kept / BINS
