import pytest

from streamd import units


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("5s", 5),
        ("250ms", 0.25),
        ("1m", 60),
        ("2h", 7200),
        (5, 5),
        (0.5, 0.5),
        ("1.5 s", 1.5),
        ("10us", 1e-5),
        ("7", 7),
    ],
)
def test_durations_carry_units(text, seconds):
    assert units.parse_seconds(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "text",
    ["", "s", "5 parsecs", "-1s", -1, "1e3", "1m30s", "inf", float("inf"), float("nan"), None, True, [], "٣s", "5\n5"],
)
def test_what_is_no_duration_is_named_and_shown_how(text):
    with pytest.raises(ValueError, match=r"expected a duration such as 250ms.*got"):
        units.parse_seconds(text)


@pytest.mark.parametrize(
    ("text", "bits"), [("2M", 2_000_000), ("512k", 512_000), ("1.5Mbit", 1_500_000), (800, 800), ("1 Gbps", 10**9)]
)
def test_bit_rates_count_in_thousands(text, bits):
    assert units.parse_bits(text) == bits


@pytest.mark.parametrize("text", ["2MB", "", "M", "2 Mi", "-2M", True, None])
def test_what_is_no_bit_rate_is_refused(text):
    with pytest.raises(ValueError, match="expected a bit rate"):
        units.parse_bits(text)


@pytest.mark.parametrize(
    ("text", "size"),
    [("512k", 512_000), ("1GiB", 2**30), ("2M", 2_000_000), ("3KiB", 3072), ("10B", 10), (7, 7), ("1Ti", 2**40)],
)
def test_sizes_know_thousands_and_1024s(text, size):
    assert units.parse_size(text) == size


@pytest.mark.parametrize("parse", [units.parse_bits, units.parse_size])
def test_a_part_of_a_bit_or_byte_is_refused(parse):
    with pytest.raises(ValueError, match="not a whole number"):
        parse("0.5")


@pytest.mark.parametrize("parse", [units.parse_bits, units.parse_size, units.parse_seconds])
def test_a_number_beyond_floats_is_refused(parse):
    with pytest.raises(ValueError, match="too large"):
        parse("9" * 400)


@pytest.mark.parametrize("text", ["250ms", "5s", "1m", "2h", "0s", "90s", "1500s"])
def test_a_shown_duration_reads_back_the_same(text):
    seconds = units.parse_seconds(text)
    assert units.parse_seconds(units.show_seconds(seconds)) == seconds
