"""The ONNX file that an engine is built from: its types, its sides settled, in float16, or without its Q and DQ nodes.

Nothing here knows TensorRT: each function takes a model and returns another.
"""

from dataclasses import dataclass
from pathlib import Path

import onnx
from onnx import TensorProto

from streamd import manifest
from streamd.engine.unquantize import unquantized
from streamd.errors import ModelError
from streamd.infer import files
from streamd.infer.tensors import size_of
from streamd.int8 import graph as graphs
from streamd.int8.half import to_half
from streamd.int8.placement import plan
from streamd.manifest import Manifest

PAIRS = {"QuantizeLinear", "DequantizeLinear"}
SIDES = ("batch", "channels", "height", "width")
Precision = str  # fp32, fp16 or int8, as a manifest says it


@dataclass(frozen=True, slots=True)
class Source:
    """A model, where it was read, and the manifest beside it where there is one."""

    path: Path
    sha256: str
    model: onnx.ModelProto
    sidecar: Manifest | None

    @property
    def quantized(self) -> bool:
        """Whether Q or DQ nodes say what runs in INT8."""
        return any(node.op_type in PAIRS for node in self.model.graph.node)

    @property
    def half(self) -> bool:
        """Whether some of it is float16."""
        graph = self.model.graph
        types = {tensor.data_type for tensor in graph.initializer}
        types |= {value.type.tensor_type.elem_type for value in (*graph.input, *graph.output)}
        casts = {item.i for node in graph.node if node.op_type == "Cast" for item in node.attribute}
        return TensorProto.FLOAT16 in types | casts

    @property
    def open_batch(self) -> bool:
        """Whether it leaves the frames of a run open."""
        made = {tensor.name for tensor in self.model.graph.initializer}
        shapes = [value.type.tensor_type.shape.dim for value in self.model.graph.input if value.name not in made]
        return bool(shapes) and bool(shapes[0]) and shapes[0][0].dim_value <= 0

    @property
    def metadata(self) -> dict[str, str]:
        """What the exporter wrote of the model."""
        return {entry.key: entry.value for entry in self.model.metadata_props}

    def with_model(self, model: onnx.ModelProto) -> "Source":
        """Return this with another model, of the same file."""
        return Source(self.path, self.sha256, model, self.sidecar)


def read(path: Path) -> Source:
    """Read an ONNX file and the manifest beside it.

    Raises:
        ModelError: it is none, or the manifest is of another file.
    """
    model = graphs.read(path)
    return Source(path, files.sha256(path), model, manifest.load(path))


def settled(source: Source, size: tuple[int, int] | None) -> Source:
    """Return the model with the sides of its picture settled: 3 or 1 channels, and `size` (width, height).

    Without `size`, the manifest beside it says the sides that the model leaves open, or Ultralytics' metadata.

    Raises:
        ModelError: the model is fixed to another size, leaves it open and nobody says it, or has no picture.
    """
    model = onnx.ModelProto()
    model.CopyFrom(source.model)
    made = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in made]
    if len(inputs) != 1 or len(inputs[0].type.tensor_type.shape.dim) != 4:
        raise ModelError(
            f"{source.path}: it has {len(inputs)} inputs, and streamd feeds one picture, N,C,H,W",
            mend="export it with the picture as its only input",
        )
    dims = inputs[0].type.tensor_type.shape.dim
    wanted = size or _said(source)
    for name, dim, side in zip(SIDES[2:], list(dims)[2:], wanted[::-1], strict=True):
        if dim.dim_value > 0 and size and dim.dim_value != side:
            raise ModelError(
                f"{source.path}: its {name} is fixed at {dim.dim_value}, --size says {side}",
                mend="leave --size out, or export it for that size",
            )
        if dim.dim_value <= 0 and not side:
            raise ModelError(f"{source.path}: it leaves its {name} open", mend="say it with --size WIDTHxHEIGHT")
        dim.dim_value = dim.dim_value if dim.dim_value > 0 else side
    if dims[1].dim_value <= 0:
        dims[1].dim_value = source.sidecar.input.channels if source.sidecar else 3
    if size or any(d.dim_value <= 0 for d in list(source.model.graph.input[0].type.tensor_type.shape.dim)[1:]):
        del model.graph.value_info[:]  # it speaks of sides that were open
    return source.with_model(model)


def _said(source: Source) -> tuple[int, int]:
    """Return (width, height) as the manifest or the exporter says; zeros where neither does."""
    if source.sidecar is not None:
        return source.sidecar.input.width, source.sidecar.input.height
    return size_of(source.metadata) if "imgsz" in source.metadata else (0, 0)


def halved(source: Source) -> Source:
    """Return the model in float16, but for its Q and DQ nodes and its decoding; see streamd/int8/half.py.

    Raises:
        ModelError: it cannot be: it has branches or loops, or an opset that cannot be raised.
    """
    name = str(source.path)
    if not source.quantized:
        graph = graphs.prepare(source.model, name)
        return source.with_model(to_half(graph.model, name, plan(graph).head.decode))
    floating = graphs.prepare(unquantized(source.model, name), name)
    return source.with_model(to_half(source.model, name, plan(floating).head.decode))


def without_int8(source: Source) -> Source:
    """Return the model as it would be without its Q and DQ nodes, in float16.

    Raises:
        ModelError: it is quantized in a way that cannot be undone.
    """
    back = source.with_model(unquantized(source.model, str(source.path)))
    return back if back.half else halved(back)
