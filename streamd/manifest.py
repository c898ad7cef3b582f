"""The model's sidecar: what no tensor can say.

    street.onnx      street.json
    street.engine    street.engine.json, so that both may stand in one folder; street.json where it is not the ONNX's

The workshop writes it, the daemon reads it. Where there is none, `streamd.infer.describe` guesses one from the
ONNX metadata and shapes.
"""

from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct, field

from streamd import output
from streamd.errors import ModelError

VERSION = 1
MAX_SIDE = 16_384  # pixels; no detector is near it, and a slip of the pen does not allocate gigabytes

Fit = Literal["letterbox", "stretch", "crop"]
Anchor = Literal["center", "top-left"]
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

    def __post_init__(self) -> None:
        if not 0 < self.width <= MAX_SIDE or not 0 < self.height <= MAX_SIDE:
            raise ValueError(f"an input of {self.width}x{self.height} pixels: each side is 1 to {MAX_SIDE}")
        for name, values in (("mean", self.mean), ("std", self.std)):
            if len(values) not in (1, self.channels):
                raise ValueError(
                    f"`{name}` has {len(values)} values: give 1, or one for each of {self.channels} channels"
                )
        if 0 in self.std:
            raise ValueError("`std` divides: it cannot be 0")

    @property
    def channels(self) -> int:
        """Channels of the tensor: 1 for gray, else 3."""
        return 1 if self.colour == "gray" else 3


class Output(Struct, frozen=True, forbid_unknown_fields=True):
    """One output tensor; a dimension that varies is -1."""

    name: str
    shape: tuple[int, ...]


class Built(Struct, frozen=True, omit_defaults=True):
    """What an engine was built by, for, from and how: two engines of which all of this is equal are the same.

    A key that a later version adds is ignored here: an engine that differs in it was refused by what this one knows,
    or runs. `gpu` and `compute_capability` ("8.6") are empty where it was built ahead of time, without a GPU.
    """

    tensorrt: str
    gpu: str
    compute_capability: str
    onnx_sha256: str
    sidecar_sha256: str = ""  # of what the manifest beside the ONNX file said; empty where there was none
    library: Literal["tensorrt", "tensorrt_rtx"] = "tensorrt"
    onnx: str = ""  # the path of the ONNX file, from the folder of the engine or absolute
    profile: tuple[int, ...] = ()  # frames of a run: least, usual, most; none where the batch is fixed
    options: tuple[str, ...] = ()  # of `streamd build`, that made it what it is
    verdict: str = ""  # of the audit, for people


class Manifest(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Everything the daemon must know of a model.

    `batch` is the fixed batch size, or 0 when it is dynamic; `sha256` is that of the model file.
    `anchors` belongs to yolov3 and yolov5 with raw heads: w, h pairs in input pixels, one row an output.
    """

    head: HeadName
    labels: tuple[str, ...]
    input: Input
    outputs: tuple[Output, ...] = ()
    batch: Annotated[int, Meta(ge=0)] = 0
    precision: Literal["fp32", "fp16", "int8"] = "fp32"
    sha256: str = ""
    anchors: tuple[tuple[float, ...], ...] = ()
    built: Built | None = None
    training: dict[str, Any] = field(default_factory=dict)
    quantization: dict[str, Any] = field(default_factory=dict)
    v: Annotated[int, Meta(ge=1)] = VERSION

    def __post_init__(self) -> None:
        if any(len(row) % 2 or not row for row in self.anchors):
            raise ValueError("`anchors` holds pairs of width and height: each row has an even number of values")


class _Version(Struct):
    v: int = VERSION


def beside(model: Path) -> Path:
    """Return where the manifest of `model` is written: the same name ending in `.json`, for an engine added to it."""
    return model.with_name(f"{model.name}.json") if _is_engine(model) else model.with_suffix(".json")


def load(model: Path) -> Manifest | None:
    """Read the manifest beside `model`; None where there is none.

    An engine may go without the ending of its own, unless the manifest of that name is the ONNX file's.

    Raises:
        ModelError: the manifest cannot be read, is not JSON, is of a later version, or says what a manifest cannot.
    """
    found = _read(beside(model))
    if found is None and _is_engine(model):
        shared = _read(model.with_suffix(".json"))
        return shared if shared and (shared.built or not shared.sha256) else None
    return found


def _is_engine(model: Path) -> bool:
    return model.suffix.lower() == ".engine"


def _read(path: Path) -> Manifest | None:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror}", mend="make the manifest readable") from error
    try:
        version = msgspec.json.decode(data, type=_Version).v
        if version > VERSION:
            raise ModelError(f"{path}: manifest of version {version}, this is version {VERSION}", mend="update streamd")
        return msgspec.json.decode(data, type=Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ModelError(f"{path}: {error}", mend="`streamd schema manifest` prints what it may hold") from error


def save(manifest: Manifest, model: Path) -> Path:
    """Write `manifest` beside `model` and return where.

    Raises:
        ModelError: it cannot be written there.
    """
    path = beside(model)
    try:
        output.write(path, encoded(manifest))
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror}", mend="write it where you may") from error
    return path


def encoded(manifest: Manifest) -> bytes:
    """Return the content of the file that holds `manifest`."""
    return msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n"


def schema() -> dict[str, Any]:
    """Return the JSON Schema of a manifest."""
    return msgspec.json.schema(Manifest)
