"""The types of options that are a number of a range, most of them from 0 to 1."""

import math
from typing import Any

import click


class Number(click.FloatRange):
    """A number of a range. No number at all ("nan"), which click's own range lets pass, is none of them."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:  # noqa: ANN401 - click's
        """Return the number; anything else is a usage error."""
        number = float(super().convert(value, param, ctx))
        if math.isnan(number):
            self.fail(f"{value} is not in the range {self._describe_range()}.", param, ctx)
        return number


FRACTION = Number(0, 1)
