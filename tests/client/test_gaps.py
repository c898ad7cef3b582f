"""Which steps in `seq` are gaps."""

import pytest

from streamd.client.gaps import Gap, Sequence


def gaps(numbers, session=1):
    sequence = Sequence("front")
    return [gap for gap in (sequence.follow(session, seq) for seq in numbers) if gap is not None]


@pytest.mark.parametrize("numbers", [[], [5], [0, 1, 2, 3], [7, 8, 9], [0, 3, 6, 9], [1, 6, 11]])
def test_regular_steps_are_no_gaps(numbers):
    assert gaps(numbers) == []


def test_a_missing_frame_is_a_gap():
    assert gaps([0, 1, 2, 5, 6]) == [Gap("front", 1, 2, 5, 1)]
    assert gaps([0, 1, 2, 5, 6])[0].missing == 2


def test_a_gap_in_strides_counts_the_frames_beyond_the_stride():
    assert [(gap.stride, gap.missing) for gap in gaps([0, 3, 6, 12, 15])] == [(3, 3)]


@pytest.mark.parametrize("stride", [1, 3, 6])
def test_a_new_session_is_no_gap_and_has_its_own_stride(stride):
    sequence = Sequence("front")
    for key in [(1, 0), (1, stride), (1, 2 * stride), (2, 0), (2, 3)]:
        assert sequence.follow(*key) is None
    assert sequence.follow(2, 9) == Gap("front", 2, 3, 9, 3)


def test_a_stride_that_is_known_tells_the_first_loss_of_every_session():
    sequence = Sequence("front", stride=1)
    assert [sequence.follow(*key) for key in [(1, 0), (1, 2), (2, 5), (2, 8)]] == [
        None, Gap("front", 1, 0, 2, 1), None, Gap("front", 2, 5, 8, 1)
    ]  # fmt: skip


def test_numbers_that_stand_still_or_step_back_are_no_gaps():
    assert gaps([5, 5, 4, 5]) == []
