import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamd.decode.bits import Truncated
from streamd.decode.h264_sets import Order, picture_set, sequence
from tests.decode.nal import BASELINE, HIGH, Sets

flag = st.booleans()
sets = st.builds(
    Sets,
    profile=st.sampled_from([HIGH, BASELINE, 77]),
    sps=st.integers(0, 31),
    pps=st.integers(0, 255),
    chroma=st.integers(0, 3),
    planes=flag,
    scaling=flag,
    frame_num_bits=st.integers(4, 16),
    order=st.integers(0, 2),
    order_bits=st.integers(4, 16),
    order_stated=flag,
    gaps_allowed=flag,
    fields=flag,
    order_in_frame=flag,
    references=st.tuples(st.integers(1, 32), st.integers(1, 32)),
    weighted=flag,
    bipred=st.integers(0, 2),
    redundant=flag,
)


@given(sets)
def test_a_sequence_is_read_as_it_was_written(wrote):
    read = sequence(wrote.sequence())
    assert (read.number, read.frame_num_bits, read.frame_nums) == (
        wrote.sps,
        wrote.frame_num_bits,
        2**wrote.frame_num_bits,
    )
    assert (read.gaps_allowed, read.fields) == (wrote.gaps_allowed, wrote.fields)
    if wrote.profile == HIGH:
        assert (read.colour, read.planes) == (wrote.has_colour, wrote.chroma == 3 and wrote.planes)
    expected = {
        0: Order(0, wrote.order_bits),
        1: Order(1, stated=wrote.order_stated),
        2: Order(2),
    }
    assert read.order == expected[wrote.order]


@given(sets)
def test_a_picture_set_is_read_as_it_was_written(wrote):
    read = picture_set(wrote.picture())
    assert (read.number, read.sequence, read.groups) == (wrote.pps, wrote.sps, False)
    assert (read.order_in_frame, read.references) == (wrote.order_in_frame, wrote.references)
    assert (read.weighted, read.weighted_both, read.redundant) == (wrote.weighted, wrote.bipred == 1, wrote.redundant)


def test_groups_of_slices_are_seen():
    assert picture_set(Sets(groups=2).picture()).groups


@pytest.mark.parametrize(("profile", "constraints", "any_order"), [(66, 0, True), (66, 0x40, False), (77, 0, False)])
def test_slices_come_in_any_order_in_baseline_alone(profile, constraints, any_order):
    assert sequence(Sets(profile=profile, constraints=constraints).sequence()).any_order == any_order


@given(st.binary(max_size=80))
def test_garbage_breaks_off_or_is_read(data):
    for read in (sequence, picture_set):
        try:
            read(b"\x67" + data)
        except Truncated:
            continue
