"""Values of the command line that are no plain numbers: batches, sides of a picture, amounts of memory."""

import re

import click

UNITS = {"": 1, "KIB": 1 << 10, "MIB": 1 << 20, "GIB": 1 << 30}
MOST_ROWS, MOST_PIXELS = 1024, 16_384
MOST_BYTES = 1 << 50  # beyond any memory, and within what libraries take


def batches(_context: click.Context, _option: click.Parameter, value: str | None) -> tuple[int, int, int] | None:
    """Return the least, usual and most frames of a run; one number is all three."""
    if value is None:
        return None
    parts = [part.strip() for part in value.split(",")]
    numbers = [int(part) for part in parts] if all(re.fullmatch(r"\d{1,4}", part) for part in parts) else []
    numbers = numbers * 3 if len(numbers) == 1 else numbers
    if len(numbers) != 3 or not 1 <= numbers[0] <= numbers[1] <= numbers[2] <= MOST_ROWS:
        raise click.BadParameter(f"{value!r}: write MIN,OPT,MAX from 1 to 1024, like 1,8,16, or one number")
    return numbers[0], numbers[1], numbers[2]


def sides(_context: click.Context, _option: click.Parameter, value: str | None) -> tuple[int, int] | None:
    """Return width and height."""
    if value is None:
        return None
    found = re.fullmatch(r"(\d{1,5})(?:x(\d{1,5}))?", value.strip())
    if found is None or not 1 <= int(found[1]) <= MOST_PIXELS or not 1 <= int(found[2] or found[1]) <= MOST_PIXELS:
        raise click.BadParameter(f"{value!r}: write WIDTHxHEIGHT in pixels, like 640x384, or one number for both")
    return int(found[1]), int(found[2] or found[1])


def amount(_context: click.Context, _option: click.Parameter, value: str | None) -> int | None:
    """Return bytes."""
    if value is None:
        return None
    found = re.fullmatch(r"(\d{1,18})\s*([KMG]iB)?", value.strip(), re.IGNORECASE)
    size = int(found[1]) * UNITS[(found[2] or "").upper()] if found else 0
    if not 0 < size <= MOST_BYTES:
        raise click.BadParameter(f"{value!r}: write an amount like 512MiB or 2GiB")
    return size
