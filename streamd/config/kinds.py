"""The kinds of values that keys have: durations, bit rates, fractions, names; each with its bounds and its schema."""

from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, Field, SecretStr, WithJsonSchema

from streamd import units

LONGEST_H = 366 * 24  # a year; a thread cannot wait for more than 292 of them


def _number(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError(f"expected a number, got {str(value).lower()}")
    return value


def _seconds(value: object) -> float:
    seconds = units.parse_seconds(value)
    if seconds > LONGEST_H * 3600:
        raise ValueError(f"expected {LONGEST_H}h at most, got {value!r}")
    return seconds


def _ready(value: object) -> object:
    if value in ("any", "all") or (isinstance(value, int) and not isinstance(value, bool) and value > 0):
        return value
    raise ValueError(f"expected any, all or a number of cameras from 1 on, got {value!r}")


def _duration_schema(**bounds: float) -> WithJsonSchema:
    text = {"type": "string", "pattern": f"^({units.DURATION_PATTERN})$"}
    return WithJsonSchema({"anyOf": [text, {"type": "number", **bounds}]})


Seconds = Annotated[float, BeforeValidator(_seconds), Field(ge=0), _duration_schema(minimum=0)]
Timeout = Annotated[float, BeforeValidator(_seconds), Field(gt=0), _duration_schema(exclusiveMinimum=0)]
BitRate = Annotated[
    int,
    BeforeValidator(units.parse_bits),
    Field(ge=0),
    WithJsonSchema(
        {"anyOf": [{"type": "string", "pattern": f"^({units.BITS_PATTERN})$"}, {"type": "integer", "minimum": 0}]}
    ),
]
Ready = Annotated[
    int | str,
    BeforeValidator(_ready),
    WithJsonSchema({"anyOf": [{"enum": ["any", "all"]}, {"type": "integer", "minimum": 1}]}),
]
NotBool = BeforeValidator(_number)  # pydantic takes true for 1
Fraction = Annotated[float, Field(ge=0, le=1), NotBool]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
Text = Annotated[str, Field(min_length=1)]
FilePath = Annotated[Path, BeforeValidator(lambda value: value or None)]
Secret = Annotated[SecretStr, Field(min_length=1), WithJsonSchema({"type": "string", "minLength": 1})]
