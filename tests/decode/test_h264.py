import itertools

from hypothesis import given
from hypothesis import strategies as st

from streamd.decode import h264
from tests.decode.nal import Sets, annex_b, escaped, information, recovery

some_units = st.lists(st.binary(min_size=1, max_size=300).map(lambda data: b"\x41" + escaped(data) + b"\x80"))


@given(some_units)
def test_units_are_parted_by_start_codes(units):
    assert list(h264.units(annex_b(*units), 0)) == [unit + b"\x00" for unit in units[:-1]] + units[-1:]


@given(some_units)
def test_a_start_code_may_have_three_bytes(units):
    assert list(h264.units(b"".join(b"\x00\x00\x01" + unit for unit in units), 0)) == units


@given(some_units, st.sampled_from([1, 2, 4]))
def test_units_are_parted_by_their_lengths(units, length_bytes):
    units = [unit[:255] for unit in units]
    packet = b"".join(len(unit).to_bytes(length_bytes, "big") + unit for unit in units)
    assert list(h264.units(packet, length_bytes)) == units


@given(st.binary(max_size=200), st.sampled_from([0, 1, 2, 3, 4]))
def test_garbage_has_no_empty_units(data, length_bytes):
    assert all(h264.units(data, length_bytes))


def avcc(sequences, pictures):
    def listed(units):
        return b"".join(len(unit).to_bytes(2, "big") + unit for unit in units)

    head = b"\x01\x64\x00\x1e\xff" + bytes([0xE0 | len(sequences)])
    return head + listed(sequences) + bytes([len(pictures)]) + listed(pictures)


def test_an_mp4_states_its_parameter_sets_and_the_size_of_lengths():
    sequences, pictures = [Sets().sequence()], [Sets(pps=number).picture() for number in range(3)]
    data = avcc(sequences, pictures)
    assert h264.length_size(data) == 4
    assert list(h264.parameter_sets(data)) == sequences + pictures


def test_a_statement_that_breaks_off_yields_what_it_holds():
    data = avcc([Sets().sequence()], [Sets().picture()])
    for end in range(len(data)):
        assert all(unit in data[:end] for unit in h264.parameter_sets(data[:end]))


def test_start_codes_may_part_what_the_container_states():
    units = [Sets().sequence(), Sets().picture()]
    assert h264.length_size(annex_b(*units)) == 0
    assert list(h264.parameter_sets(b"".join(b"\x00\x00\x01" + unit for unit in units))) == units
    assert list(h264.parameter_sets(None)) == []


@given(st.integers(0, 65535))
def test_a_recovery_point_is_read(count):
    assert h264.recovery_count(recovery(count)) == count


def test_a_recovery_point_is_found_among_others():
    point = recovery(7)[3:-1]
    others = [(5, b"x" * 620), (1, b"\x00\x00\x00"), (300, b"")]
    for order in itertools.permutations([*others, (6, point)]):
        assert h264.recovery_count(information(*order)) == 7
    assert h264.recovery_count(information(*others)) is None


@given(st.binary(max_size=60))
def test_garbage_is_no_recovery_point_or_one_of_a_number(data):
    count = h264.recovery_count(b"\x06" + data)
    assert count is None or count >= 0
