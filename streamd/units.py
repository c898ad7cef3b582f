"""Durations and bit rates as people write them: `250ms`, `5s`, `512k`, `2M`."""

import math
import re
from types import MappingProxyType

_SECONDS = MappingProxyType({"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0})
_POWERS = MappingProxyType({"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12})

DURATION_PATTERN = r"[0-9]+(\.[0-9]+)? ?(us|ms|s|m|h)?"
BITS_PATTERN = r"[0-9]+(\.[0-9]+)? ?[kKMGT]?(bps|bit|bit/s)?"


def parse_seconds(value: object) -> float:
    """Return the seconds meant by `250ms`, `5s`, `1m`, `2h`, or a bare number of seconds.

    Raises:
        ValueError: the value is no duration, or is negative or infinite.
    """
    match = _match(DURATION_PATTERN, value)
    if match is None:
        raise ValueError(f"expected a duration such as 250ms, 5s, 1m or 2h, got {value!r}")
    number, unit = _split(match)
    return _finite(number * _SECONDS[unit or "s"], value)


def parse_bits(value: object) -> int:
    """Return the bits (or bits a second) meant by `2M`, `512k`, `1.5Mbit`, or a bare number; k is 1000.

    Raises:
        ValueError: the value is no bit rate, or is no whole number of bits.
    """
    match = _match(BITS_PATTERN, value)
    if match is None:
        raise ValueError(f"expected a bit rate such as 512k, 2M or 1.5M, got {value!r}")
    number, unit = _split(match)
    power = re.sub(r"(bps|bit|bit/s)$", "", unit).lower()
    return _whole(number * _POWERS[power], value)


def _match(pattern: str, value: object) -> re.Match[str] | None:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    if isinstance(value, float) and math.isfinite(value):
        value = f"{value:f}"
    return re.fullmatch(pattern, str(value).strip(), re.ASCII)


def _split(match: re.Match[str]) -> tuple[float, str]:
    text = match.group(0)
    digits = text.rstrip("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ/ ")
    return float(digits), text[len(digits) :].strip()


def _finite(number: float, value: object) -> float:
    if not math.isfinite(number):
        raise ValueError(f"{str(value)[:20]!r}... is too large")
    return number


def _whole(number: float, value: object) -> int:
    if not _finite(number, value).is_integer():
        raise ValueError(f"{value!r} is not a whole number")
    return int(number)
