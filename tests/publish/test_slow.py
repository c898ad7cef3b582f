"""The measure of what a slow subscriber costs sees a cost that is there, and none that is not."""

import numpy as np

from tests.publish.slow import interval, verdict


def rates(factor, noise, count=40):
    """A machine whose speed wanders by a third, and pairs of windows on it."""
    rng = np.random.default_rng(1)
    speed = 30 * (1 + 0.33 * np.sin(np.arange(count) / 5))
    return (list(speed * scale * (1 + noise * rng.standard_normal(count))) for scale in (1.0, factor))


def test_a_cost_of_three_in_a_hundred_is_seen_on_a_machine_that_wanders_by_a_third():
    assert verdict("frames", "a second", *rates(0.97, 0.02)).endswith("beyond 1 %")


def test_no_cost_is_told_as_none():
    assert verdict("frames", "a second", *rates(1.0, 0.01)).endswith("within 1 %")


def test_noise_that_hides_it_is_told_as_such():
    assert verdict("frames", "a second", *rates(1.0, 0.2)).endswith("undecided")


def test_the_interval_holds_the_median():
    low, high = interval([0.98, 0.99, 1.0, 1.01, 1.02])
    assert low <= 1.0 <= high
