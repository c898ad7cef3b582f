import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamd.decode.tempo import Tempo


def changes(*steps_ms):
    tempo = Tempo()
    found = [tempo.change(at * 1_000_000) for at in itertools.accumulate(steps_ms, initial=0)]
    return [pair for pair in found if pair is not None]


def test_a_steady_rate_never_changes():
    assert changes(*[40] * 500) == []


def test_another_rate_is_known_after_twenty_frames_and_told_once():
    assert changes(*[40] * 50, *[100] * 19) == []
    assert changes(*[40] * 50, *[100] * 500) == [(25, 10)]


def test_and_so_is_the_way_back():
    assert changes(*[40] * 50, *[100] * 50, *[40] * 50) == [(25, 10), (10, 25)]


@pytest.mark.parametrize("wavering", [[40, 41, 39, 40], [40, 40, 40, 80], [33, 500, 40, 1000]])
def test_jitter_lost_frames_and_frames_by_need_are_no_change(wavering):
    assert changes(*[40] * 50, *wavering * 50) == []


@given(st.lists(st.integers(-(2**40), 2**62), max_size=100))
def test_whatever_comes_a_change_is_of_two_rates(timestamps):
    tempo = Tempo()
    for at_ns in timestamps:
        pair = tempo.change(at_ns)
        assert pair is None or max(pair) >= 1.25 * min(pair) > 0
