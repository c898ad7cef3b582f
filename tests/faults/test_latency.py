"""A delay of others is told where there is one, and noise is told as noise."""

from types import SimpleNamespace

import numpy as np

from tests.faults.latency import change, p95_ms


def frames(seconds, factor=1.0, seed=0):
    """Four cameras at 25 frames a second, late by about 2 ms, each second in a mood of its own."""
    rng = np.random.default_rng(seed)
    return [
        SimpleNamespace(
            captured_at_ns=second * 10**9 + number, published_at_ns=second * 10**9 + number + int(late * 1e6)
        )
        for second, mood in enumerate(rng.uniform(0.7, 1.3, seconds))
        for number, late in enumerate(factor * mood * rng.gamma(8, 0.25, 100))
    ]


def test_a_delay_is_seen():
    by, low, high = change(frames(60), frames(60, 1.4, seed=1))
    assert 0.1 < low < by < high


def test_where_there_is_none_nothing_is_told_to_be_beyond_a_tenth():
    _, low, high = change(frames(60), frames(60, seed=1))
    assert low < 0 < high < 0.3


def test_few_seconds_leave_it_open():
    _, low, high = change(frames(4), frames(4, seed=1))
    assert high - low > 0.1


def test_nothing_has_no_percentile():
    assert np.isnan([p95_ms([]), *change([], frames(1))]).all()
