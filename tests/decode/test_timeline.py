import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamd.decode.timeline import Timeline

MS = 1_000_000


def placed(*timestamps_ms, duration_ms=40):
    timeline = Timeline()
    line = [timeline.place(None if t is None else t * MS, duration_ms * MS) // MS for t in timestamps_ms]
    return line, timeline


def test_the_first_frame_stands_at_zero():
    assert placed(-80, -40, 0)[0] == [0, 40, 80]


def test_pauses_are_kept():
    assert placed(0, 40, 4_040)[0] == [0, 40, 4_040]


def test_a_step_back_goes_on_from_the_last_frame():
    line, timeline = placed(1000, 1040, 0, 40)
    assert line == [0, 40, 80, 120]
    assert timeline.jump_ns is None


def test_a_long_step_ahead_is_closed():
    assert placed(0, 3_600_000, 3_600_040)[0] == [0, 40, 80]


def test_frames_that_last_long_may_stand_far_apart():
    assert placed(0, 60_000, 120_000, duration_ms=60_000)[0] == [0, 60_000, 120_000]


def test_a_repeated_timestamp_is_a_jump():
    assert placed(0, 0)[1].jump_ns == 0


def test_the_first_timestamp_after_frames_without_is_no_jump():
    line, timeline = placed(None, 0)
    assert line == [0, 40]
    assert timeline.jump_ns is None


def test_frames_without_timestamps_follow_by_their_length():
    assert placed(None, None, None)[0] == [0, 40, 80]


@given(st.lists(st.none() | st.integers(-(2**62), 2**62), min_size=1), st.integers(0, 10**12))
def test_whatever_a_stream_says_the_line_rises_from_zero(timestamps, duration_ns):
    timeline = Timeline()
    line = [timeline.place(t, duration_ns) for t in timestamps]
    assert line[0] == 0
    assert all(a < b for a, b in itertools.pairwise(line))


@pytest.mark.parametrize("bits", [32, 33])
def test_a_counter_that_runs_over_keeps_the_pause_and_is_told(bits):
    timeline = Timeline()
    before = [2**bits - 3_600, 2**bits - 1_800]
    line = [timeline.place(ticks * 10**9 // 90_000, 40 * MS) // MS for ticks in (*before, 90_000)]
    assert line == [0, 20, 20 + 20 + 1000]
    assert timeline.jump_ns < -47_000 * 10**9
