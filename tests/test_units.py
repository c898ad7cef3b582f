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


def test_a_part_of_a_bit_is_refused():
    with pytest.raises(ValueError, match="not a whole number"):
        units.parse_bits("0.5")


@pytest.mark.parametrize("parse", [units.parse_bits, units.parse_seconds])
def test_a_number_beyond_floats_is_refused(parse):
    with pytest.raises(ValueError, match="too large"):
        parse("9" * 400)
