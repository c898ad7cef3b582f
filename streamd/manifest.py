"""The model's sidecar, `model.json` beside `model.onnx` or `model.engine`: what no tensor can say.

The workshop writes it, the daemon reads it. Where there is none, `streamd.infer.describe` guesses one from the
ONNX metadata and shapes.
"""

from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct, field

from streamd.errors import ModelError
from streamd.letterbox import Anchor, Fit

VERSION = 1

HeadName = Literal[
    "yolov3", "yolov5", "yolov6", "yolov8", "yolox", "end2end", "rtdetr", "efficient_nms", "obb", "classify"
]
Byte = Annotated[int, Meta(ge=0, le=255)]


class Input(Struct, frozen=True, forbid_unknown_fields=True):
    """The one input tensor, and the sum that makes it from a picture.

    For a pixel p in 0..255 of channel c the tensor holds `(p * scale - mean[c]) / std[c]`, as N,C,H,W.
    `mean` and `std` have one value a channel, or one for all.
    """

    name: str
    width: int
    height: int
    dtype: Literal["float32", "float16", "uint8"] = "float32"
    colour: Literal["rgb", "bgr", "gray"] = "rgb"
    scale: float = 1 / 255
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    fit: Fit = "letterbox"
    anchor: Anchor = "center"
    pad: Byte = 114

    @property
    def channels(self) -> int:
        """Channels of the tensor: 1 for gray, else 3."""
        return 1 if self.colour == "gray" else 3


class Output(Struct, frozen=True, forbid_unknown_fields=True):
    """One output tensor; a dimension that varies is -1."""

    name: str
    shape: tuple[int, ...]


class Built(Struct, frozen=True, forbid_unknown_fields=True):
    """What an engine was built by, for and from."""

    tensorrt: str
    gpu: str
    compute_capability: str
    onnx_sha256: str


class Manifest(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Everything the daemon must know of a model. `batch` is the fixed batch size, or 0 when it is dynamic."""

    head: HeadName
    labels: tuple[str, ...]
    input: Input
    outputs: tuple[Output, ...] = ()
    batch: int = 0
    precision: Literal["fp32", "fp16", "int8"] = "fp32"
    sha256: str = ""
    anchors: tuple[
        tuple[float, ...], ...
    ] = ()  # yolov3 and yolov5 with raw heads: w, h pairs in pixels, one row a level
    built: Built | None = None
    training: dict[str, Any] = field(default_factory=dict)
    quantization: dict[str, Any] = field(default_factory=dict)
    v: int = VERSION


def beside(model: Path) -> Path:
    """Return where the manifest of `model` stands: the same name, ending in `.json`."""
    return model.with_suffix(".json")


def load(model: Path) -> Manifest | None:
    """Read the manifest beside `model`; None where there is none.

    Raises:
        ModelError: the manifest is not JSON, or says something a manifest cannot.
    """
    path = beside(model)
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror}", mend="make the manifest readable") from error
    try:
        return msgspec.json.decode(data, type=Manifest)
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise ModelError(f"{path}: {error}", mend="`streamd schema manifest` prints what it may hold") from error


def save(manifest: Manifest, model: Path) -> Path:
    """Write `manifest` beside `model` and return where."""
    path = beside(model)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n")
    return path


def schema() -> dict[str, Any]:
    """Return the JSON Schema of a manifest."""
    return msgspec.json.schema(Manifest)
