"""The type of options that are a number from 0 to 1."""

import math
from typing import Any

import click


class Fraction(click.FloatRange):
    """A number from 0 to 1. No number at all ("nan"), which click's own range lets pass, is none of them."""

    def __init__(self) -> None:
        super().__init__(0, 1)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:  # noqa: ANN401 - click's
        """Return the number; anything else is a usage error."""
        number = float(super().convert(value, param, ctx))
        if math.isnan(number):
            self.fail(f"{value} is not a number from 0 to 1.", param, ctx)
        return number


FRACTION = Fraction()
