import click
import pytest

from streamd.cli.fraction import FRACTION


@pytest.mark.parametrize("text", ["0", "0.25", "1", "1e-3"])
def test_numbers_from_0_to_1_are_taken(text):
    assert FRACTION.convert(text, None, None) == float(text)


@pytest.mark.parametrize("text", ["nan", "-nan", "inf", "-0.1", "1.1", "half", ""])
def test_anything_else_is_a_usage_error(text):
    with pytest.raises(click.BadParameter):
        FRACTION.convert(text, None, None)
