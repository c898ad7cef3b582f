import numpy as np
import pytest

from streamd.int8.histogram import Histogram
from streamd.int8.legacy import search, threshold

RNG = np.random.default_rng(5)


def of(x):
    histogram = Histogram()
    histogram.add(np.asarray(x, np.float32), "x")
    return histogram


def test_cutoff_one_is_the_quantile_itself():
    x = RNG.random(100_000)
    assert threshold(of(x), 1.0, 2.0) == pytest.approx(0.99, abs=0.002)


def test_the_regression_of_an_exponential_tail_is_its_quantile():
    x = RNG.exponential(size=1_000_000)
    assert threshold(of(x), 0.5, 4.0) == pytest.approx(4 * np.log(10), rel=0.03)


def test_the_regression_sees_past_a_lone_outlier():
    histogram = of(np.concatenate([RNG.exponential(size=100_000), [200.0]]))
    assert threshold(histogram, 0.4, 4.0) < 20 < threshold(histogram, 1.0, 8.0)


@pytest.mark.parametrize("best", [(1.0, 6.0), (1.0, 3.7), (0.51, 2.5), (0.66, 7.4), (0.4, 5.0)])
def test_the_search_finds_the_peak_of_a_smooth_score(best):
    cutoff, exponent = best
    found = search(lambda c, e: -abs(c - cutoff) * 20 - abs(e - exponent))
    assert (found.cutoff, found.exponent) == best


@pytest.mark.parametrize(("peak", "tried"), [(1.0, 7 + 7 + 10), (0.5, 7 + 7 + 10 + 8)])
def test_the_search_is_bounded_and_tries_nothing_twice(peak, tried):
    points = []

    def score(cutoff, exponent):
        points.append((cutoff, exponent))
        return -abs(cutoff - peak)

    search(score)
    assert len(points) == len(set(points)) == tried
