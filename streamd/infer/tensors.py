"""A model's tensors as it declares them, and the one input that a picture goes into."""

import ast
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast, get_args

from streamd.errors import ModelError
from streamd.manifest import MAX_SIDE

InputDtype = Literal["float32", "float16", "uint8"]
DEFAULT_SIDE = 640  # what most exports of a detector with free height and width were trained at


@dataclass(frozen=True, slots=True)
class Tensor:
    """One input or output. `shape` holds -1 where a dimension varies."""

    name: str
    dtype: str
    shape: tuple[int, ...]

    def __str__(self) -> str:
        return f"{self.name} {self.dtype} {shown(self.shape)}"


@dataclass(frozen=True, slots=True)
class Image:
    """The input that a picture goes into. `batch` is 0 where it varies; `width` and `height` are settled."""

    name: str
    dtype: InputDtype
    batch: int
    channels: int
    width: int
    height: int


def image_of(model: Path, inputs: Sequence[Tensor], size: tuple[int, int]) -> Image:
    """Return the one input of `model`; `size` (width, height) stands in where the model leaves its sides open.

    Raises:
        ModelError: it has none or several, or one that no picture fits.
    """
    if len(inputs) != 1:
        seen = ", ".join(map(str, inputs)) or "none"
        raise ModelError(
            f"{model}: it has {len(inputs)} inputs ({seen}), streamd feeds one picture",
            mend="export it with the picture as its only input",
        )
    tensor = inputs[0]
    if tensor.dtype not in get_args(InputDtype):
        raise ModelError(
            f"{model}: input {tensor} is {tensor.dtype}", mend="export it with a float32, float16 or uint8 input"
        )
    if len(tensor.shape) != 4:
        raise ModelError(f"{model}: input {tensor} is not N,C,H,W", mend="export it with a picture of 4 dimensions")
    batch, channels, height, width = tensor.shape
    if channels not in (1, 3):
        raise ModelError(
            f"{model}: input {tensor} has {'varying' if channels < 0 else channels} channels where N,C,H,W has 1 or 3",
            mend="export it with channels first, 1 (gray) or 3 (colour)",
        )
    width, height = (width if width > 0 else size[0]), (height if height > 0 else size[1])
    if max(width, height) > MAX_SIDE or batch == 0:
        raise ModelError(f"{model}: input {tensor} is out of bounds", mend=f"sides of 1 to {MAX_SIDE}, batch of 1 up")
    return Image(tensor.name, cast(InputDtype, tensor.dtype), max(batch, 0), channels, width, height)


def size_of(metadata: Mapping[str, str]) -> tuple[int, int]:
    """Return (width, height) as Ultralytics' `imgsz` ("[height, width]") tells, else 640 x 640."""
    value = literal(metadata.get("imgsz", ""))
    sides = value if isinstance(value, list | tuple) else (value, value)
    match sides:
        case (int(height), int(width)) if 0 < height <= MAX_SIDE and 0 < width <= MAX_SIDE:
            return width, height
        case _:
            return DEFAULT_SIDE, DEFAULT_SIDE


def literal(text: str) -> object:
    """Return the Python literal that `text` spells; None where it spells none. Nothing is evaluated."""
    try:
        return cast(object, ast.literal_eval(text))
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None


def shown(shape: Sequence[int]) -> str:
    """Return a shape as `1x3x?x640`."""
    return "x".join("?" if side < 0 else str(side) for side in shape) or "scalar"


def minimal_manifest(model: Path, image: Image) -> str:
    """Return the advice to write a manifest, with the least it must say, on one line."""
    example = {
        "head": "yolov8",
        "labels": ["person", "car"],
        "input": {"name": image.name, "width": image.width, "height": image.height},
    }
    return f"write {model.with_suffix('.json').name} beside it, such as {json.dumps(example)}"
