import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamd.decode.bits import Bits, Truncated, unescaped
from tests.decode.nal import Writer, escaped

zeros_and_threes = st.lists(st.sampled_from([0, 0, 0, 1, 2, 3, 255]), max_size=40).map(bytes)


def payload(writer):
    bits = writer.bits + "0" * (-len(writer.bits) % 8)
    return int(bits or "0", 2).to_bytes(len(bits) // 8, "big")


@given(zeros_and_threes)
def test_what_was_escaped_comes_back(raw):
    assert unescaped(escaped(raw)) == raw


@given(st.lists(st.tuples(st.sampled_from(["u", "ue", "se"]), st.integers(0, 2**31))))
def test_numbers_are_read_as_they_were_written(numbers):
    writer = Writer()
    for kind, number in numbers:
        if kind == "u":
            writer.u(32, number)
        elif kind == "ue":
            writer.ue(number)
        else:
            writer.se(number - 2**30)
    bits = Bits(payload(writer))
    for kind, number in numbers:
        if kind == "u":
            assert bits.u(32) == number
        elif kind == "ue":
            assert bits.ue() == number
        else:
            assert bits.se() == number - 2**30


@pytest.mark.parametrize(("code", "number"), [("1", 0), ("010", 1), ("00100", 3), ("0001010", 9)])
def test_numbers_have_the_codes_of_table_9_2(code, number):
    bits = Bits(int(code.ljust(8, "0"), 2).to_bytes(1, "big"))
    assert bits.ue() == number


@pytest.mark.parametrize(("data", "count"), [(b"", 1), (b"\xff", 9)])
def test_bits_that_are_not_there_are_missed(data, count):
    with pytest.raises(Truncated):
        Bits(data).u(count)


@pytest.mark.parametrize("data", [b"", b"\x00" * 9, b"\x00\x00\x00\x00\x40" + b"\xff" * 9, b"\x01"])
def test_a_number_without_end_is_none(data):
    with pytest.raises(Truncated):
        Bits(data).ue()
