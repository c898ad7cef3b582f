from hypothesis import assume, given
from hypothesis import strategies as st

from streamd.decode.bits import Truncated
from streamd.decode.h264_sets import picture_set, sequence
from streamd.decode.h264_slices import resets, slice_of
from tests.decode.nal import B, I, P, Sets
from tests.decode.test_h264_sets import sets


def read(wrote, unit):
    return slice_of(unit, {wrote.sps: sequence(wrote.sequence())}, {wrote.pps: picture_set(wrote.picture())})


slices = st.fixed_dictionaries(
    {
        "idr": st.booleans(),
        "ref": st.booleans(),
        "first_mb": st.integers(0, 36863),  # of the largest picture of level 5.2
        "kind": st.sampled_from([P, B, I]),
        "field": st.integers(0, 2),
    }
)


def possible(wrote, given):
    """What no profile has is left out: colours in planes of their own in Main, fields without their flag."""
    assume(wrote.profile == 100 or not wrote.planes)
    given["field"] = given["field"] if wrote.fields else 0
    given["idr"] = given["idr"] and given["ref"]
    return given


@given(sets, slices, st.integers(0, 65535))
def test_a_slice_is_read_as_it_was_written(wrote, given, number):
    given, number = possible(wrote, given), number % 2**wrote.frame_num_bits
    head = read(wrote, wrote.slice(number, **given))
    assert (head.frame_num, head.first_mb, head.kind, head.field) == (
        number,
        given["first_mb"],
        given["kind"],
        given["field"],
    )
    assert (head.idr, head.reference) == (given["idr"], given["ref"])


markings = st.lists(
    st.one_of(
        st.tuples(st.sampled_from([1, 2, 4, 6]), st.integers(0, 40)),
        st.tuples(st.just(3), st.integers(0, 40), st.integers(0, 40)),
    ),
    max_size=4,
)


@given(
    sets,
    slices,
    markings,
    st.booleans(),
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 40)), max_size=3),
    st.none() | st.tuples(st.integers(1, 32), st.integers(1, 32)),
    st.lists(st.integers(-128, 127), max_size=40),
)
def test_a_picture_that_counts_as_number_0_is_known(wrote, given, marking, reset, changes, override, weights):
    given = possible(wrote, given)
    marked = [*marking, (5,)] if reset else marking
    unit = wrote.slice(3, **given, marking=marked, changes=changes, override=override, weights=weights)
    assert resets(unit, read(wrote, unit)) == (reset and given["ref"] and not given["idr"])


@given(sets, st.binary(max_size=80))
def test_garbage_breaks_off_or_is_read(wrote, data):
    unit = b"\x61" + data
    try:
        head = read(wrote, unit)
        assert head is None or resets(unit, head) in (True, False)
    except Truncated:
        return


def test_a_slice_whose_parameter_sets_never_came_is_none():
    assert slice_of(Sets().slice(0), {}, {}) is None
    assert slice_of(Sets().slice(0), {}, {0: picture_set(Sets().picture())}) is None


def test_slices_of_one_picture_go_on_with_it():
    stream = Sets(fields=True)
    first, second = read(stream, stream.slice(3)), read(stream, stream.slice(3, first_mb=40))
    assert second.goes_on(first)
    assert not first.goes_on(second)
    assert not second.goes_on(None)
    for other in (stream.slice(2), stream.slice(3, field=1), stream.slice(3, ref=False)):
        assert not second.goes_on(read(stream, other))
