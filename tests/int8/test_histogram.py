import numpy as np
import pytest

from streamd.errors import DataError
from streamd.int8.histogram import BINS, FINE, Histogram

RNG = np.random.default_rng(1)


def of(*parts):
    histogram = Histogram()
    for part in parts:
        histogram.add(np.asarray(part, np.float32), "x")
    return histogram


def same(a, b):
    return (a.range, a.minimum, a.maximum) == (b.range, b.minimum, b.maximum) and np.array_equal(a.counts, b.counts)


def test_counts_agree_with_numpy_over_the_same_range():
    x = RNG.normal(size=100_000).astype(np.float32)
    histogram = of(x)
    expected, _ = np.histogram(np.abs(x), bins=FINE, range=(0, histogram.range))
    assert np.array_equal(histogram.counts, expected)


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_neither_order_nor_splitting_matters(order):
    parts = [RNG.normal(size=5000) * 0.01, RNG.normal(size=70_001), np.array([-4000.0, 3.0])]
    parts = [part.astype(np.float32) for part in parts]
    assert same(of(*(parts[i] for i in order)), of(np.concatenate(parts)))


def test_merging_equals_adding():
    a, b = RNG.normal(size=1000).astype(np.float32), 50 * RNG.random(2000).astype(np.float32)
    for first, second in ((a, b), (b, a)):
        merged = of(first)
        merged.merge(of(second))
        assert same(merged, of(a, b))


def test_merging_with_an_empty_one_changes_nothing():
    one, other = of([1.0, 2.0]), Histogram()
    one.merge(Histogram())
    other.merge(one)
    assert same(one, of([1.0, 2.0]))
    assert same(other, one)


def test_the_ends_are_exact_and_signed():
    histogram = of([-0.2785, 7.7], [3.0])
    assert (histogram.minimum, histogram.maximum) == (np.float32(-0.2785), np.float32(7.7))
    assert histogram.amax == np.float32(7.7)


@pytest.mark.parametrize("scale", [1e-3, 0.9, 1.0, 1.001, 333.0])
def test_bins_span_zero_to_the_largest_value(scale):
    x = (RNG.random(500_000) * scale).astype(np.float32)
    bins = of(x).bins()
    assert bins.shape == (BINS,)
    assert bins.sum() == pytest.approx(x.size)
    assert abs(bins - x.size / BINS).max() < 8 * np.sqrt(x.size / BINS)  # flat data, flat bins


@pytest.mark.parametrize("value", [1.0, 0.999, 3.7, -5.0, 1e-3, 1e30, 1e-30])
def test_a_single_value_lies_in_the_last_bin(value):
    bins = of([value] * 10).bins()
    assert bins[-1] == pytest.approx(10)
    assert bins[:-1].sum() == pytest.approx(0, abs=1e-9)


def test_zeros_lie_in_the_first_bin():
    bins = of(np.zeros(90), [5.0]).bins()
    assert (bins[0], bins[-1]) == (pytest.approx(90), pytest.approx(1))


def test_all_zero_data_has_no_amax():
    histogram = of(np.zeros(10))
    assert (histogram.amax, histogram.total, histogram.bins().sum()) == (0.0, 10, 10)


def test_an_empty_tensor_counts_nothing():
    assert of(np.zeros((0, 3))).total == 0


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_refused_by_name(bad):
    with pytest.raises(DataError, match=r"tensor /act/Mul: 1 of 3 values are NaN or infinite"):
        Histogram().add(np.array([1.0, bad, 2.0], np.float32), "/act/Mul")


def test_the_largest_float_is_counted():
    assert of([np.finfo(np.float32).max]).bins()[-1] == 1


def test_the_share_beyond_a_threshold_is_that_of_the_values():
    x = np.linspace(-1, 1, 100_001, dtype=np.float32)
    histogram = Histogram()
    histogram.add(x, "x")
    assert histogram.beyond(0.75) == pytest.approx(0.25, abs=0.001)
    assert histogram.beyond(1.0) == 0
    assert Histogram().beyond(0.0) == 0


def test_nothing_seen_is_a_histogram_of_zeros():
    assert not Histogram().bins().any()
