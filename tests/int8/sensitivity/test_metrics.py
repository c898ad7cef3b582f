import numpy as np
import pytest
from scipy import stats

from streamd.int8.sensitivity.metrics import Measure, Tally, correlation, divergence, ranks


def tallied(x, y, kl="sigmoid", pieces=3):
    tally = Tally()
    for one, other in zip(np.array_split(x, pieces), np.array_split(y, pieces), strict=True):
        tally.add(one, other, kl)
    return tally.metrics()


@pytest.fixture
def x():
    return np.random.default_rng(0).normal(size=1000).astype(np.float32)


def test_the_metrics_are_their_formulas(x):
    y = x + np.random.default_rng(1).normal(size=1000).astype(np.float32) / 10
    found = tallied(x, y)
    assert found["mse"] == pytest.approx(np.mean((x - y) ** 2), rel=1e-4)
    assert found["sqnr"] == pytest.approx(-10 * np.log10((x**2).sum() / ((x - y) ** 2).sum()), rel=1e-4)
    assert found["cosine"] == pytest.approx(1 - x @ y / np.linalg.norm(x) / np.linalg.norm(y), rel=1e-3)


def test_the_divergence_of_a_sigmoid_counts_both_its_chances():
    p, q = 0.8, 0.6
    logit = np.log(np.array([p / (1 - p), q / (1 - q)]))
    expected = p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q))
    assert divergence(logit[:1], logit[1:], softmax=False) == pytest.approx(expected)


def test_the_divergence_of_a_softmax_is_that_of_its_distribution(x):
    p, q = np.array([0.7, 0.2, 0.1]), np.array([0.5, 0.25, 0.25])
    assert divergence(np.log(p), np.log(q) + 3, softmax=True) == pytest.approx(stats.entropy(p, q))


@pytest.mark.parametrize("metric", ["mse", "sqnr", "cosine", "kl"])
def test_more_noise_is_a_higher_value(x, metric):
    noise = np.random.default_rng(1).normal(size=1000).astype(np.float32)
    values = [tallied(x, x + noise * size)[metric] for size in (0, 0.01, 0.1, 1)]
    assert values == sorted(values)
    assert values[0] < values[1] < values[3]


def test_equal_answers_have_finite_metrics(x):
    found = tallied(x, x)
    assert found == {"mse": 0, "sqnr": pytest.approx(-130), "cosine": pytest.approx(0, abs=1e-9), "kl": 0}


def test_answers_of_zeros_have_finite_metrics():
    zeros = np.zeros(4, np.float32)
    assert all(np.isfinite(value) for value in tallied(zeros, zeros + 1, pieces=1).values())


def test_noise_and_signal_of_the_parts_are_averaged_before_they_are_put_in_db():
    loud, silent = Tally(1, 1.0, 0.1, 1.0, 1.0), Tally(1, 1.0, 0.0, 1.0, 1.0)
    measure = Measure.of({"boxes": loud, "scores": silent}, 0.5)
    assert measure.whole["sqnr"] == pytest.approx(10 * np.log10(0.05))
    assert measure.whole["drop"] == 0.5


def test_a_difference_is_taken_metric_by_metric():
    one, other = (
        Measure({"boxes": {"mse": 3.0}}, {"mse": 3.0, "drop": 0.5}),
        Measure({"boxes": {"mse": 1.0}}, {"mse": 1.0, "drop": 0.25}),
    )
    assert one.less(other) == Measure({"boxes": {"mse": 2.0}}, {"mse": 2.0, "drop": 0.25})


def test_rank_1_is_the_highest():
    assert ranks([0.1, 5.0, 2.0, 2.0]) == [4, 1, 2, 2]


def test_what_the_order_of_additions_does_is_no_difference(x):
    values = [tallied(x, x * (1 + error))["sqnr"] for error in (0, 1e-8, 1e-3)]
    assert values[0] == values[1] < values[2]


@pytest.mark.parametrize("broken", [np.nan, np.inf, -np.inf])
def test_answers_that_are_no_numbers_are_the_worst_and_their_metrics_numbers(x, broken):
    y = x.copy()
    y[500] = broken
    found, noisy = tallied(x, y), tallied(x, 100 * x[::-1])
    assert all(np.isfinite(value) for value in found.values())
    assert all(found[metric] > noisy[metric] for metric in ("mse", "sqnr"))
    assert tallied(y, y)["mse"] == 0


def test_the_rank_correlation_is_spearmans(x):
    y = np.round(x + np.random.default_rng(1).normal(size=1000), 1)
    assert correlation(x, y) == pytest.approx(stats.spearmanr(x, y).statistic)


def test_a_side_that_does_not_vary_has_no_correlation():
    assert correlation([1, 1, 1], [1, 2, 3]) is None
