"""The layers of an engine, in what TensorRT tells of them: the engine inspector's JSON, or the list in a build's log.

The JSON of 8.6 and 10 says types as words among formats ("Thirty-two wide channel vectorized row major Int8 format"),
or not at all where shapes vary and no context has settled them; that of later versions names them. The log of 11 lists
the layers in lines of its own. (Developer guides of 8.6 and 10, "Engine Inspector"; the log as 11.4 writes it.)
"""

import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from streamd.errors import ModelError

# What a type is called, and what it is here; the first that is found counts.
WORDS = (
    ("int8", "int8"),
    ("fp8", "fp8"),
    ("bfloat16", "bf16"),
    ("bf16", "bf16"),
    ("half", "fp16"),
    ("fp16", "fp16"),
    ("fp32", "fp32"),
    ("float", "fp32"),
)
BYTES = {"int8": 1, "fp8": 1, "bf16": 2, "fp16": 2, "fp32": 4}
NODE = re.compile(r"\[ONNX Layer: (.*?)\](?=\[ONNX Layer: |[\x1e\x1f]|$)")
LINE = re.compile(
    r"^Name: (?P<name>.*?), LayerType: (?P<kind>\w+), Inputs: \[(?P<inputs>.*?)\], Constants: \[(?P<constants>.*?)\], "
    r"Outputs: \[(?P<outputs>.*?)\], TacticName: (?P<tactic>.*?), StreamId: .*?Metadata: (?P<metadata>.*)$",
    re.MULTILINE,
)
PORT = re.compile(r"\{ Name: (.*?), Dimensions: \[([-\d,]*)\].*?Datatype: (\w+)")


@dataclass(frozen=True, slots=True)
class Port:
    """A tensor as a layer reads or writes it. `elements` are those of one frame; `dtype` is empty where not told."""

    name: str
    dtype: str
    elements: int

    @property
    def bytes(self) -> int:
        """Its size for one frame; 0 where its type is not told."""
        return self.elements * BYTES.get(self.dtype, 0)


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer: TensorRT's kind and operation of it, its weights' type (empty without weights), and its ONNX nodes."""

    name: str
    kind: str
    operation: str
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    weights: str
    tactic: str
    nodes: tuple[str, ...]


def of_json(text: str) -> list[Layer]:
    """Read what `get_engine_information` returns.

    Raises:
        ModelError: it is not JSON, or the engine was built without layer information.
    """
    try:
        rows = list(json.loads(text)["Layers"])
        if not any(isinstance(row, str) for row in rows):
            return [_of_row(row) for row in rows]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"the engine inspector's answer cannot be read: {error!r}") from error
    raise ModelError(
        "the engine tells nothing of its layers but their names",
        mend="build it with `streamd build`, or with --profilingVerbosity=detailed",
    )


def of_log(text: str) -> list[Layer]:
    """Read the list of layers in a build's log; empty where this version writes it otherwise."""
    found = []
    for match in LINE.finditer(text):
        constants = _of_line(match["constants"])
        kernels = [port.dtype for port, dims in constants if sum(side != 1 for side in dims) >= 2]
        found.append(
            Layer(
                match["name"],
                match["kind"],
                "",
                tuple(port for port, _ in _of_line(match["inputs"])),
                tuple(port for port, _ in _of_line(match["outputs"])),
                kernels[0] if kernels else "",
                match["tactic"],
                tuple(NODE.findall(match["metadata"].strip())),
            )
        )
    return found


def dtype_of(text: str) -> str:
    """Return the type that TensorRT means: int8, fp16, fp32 and so on; empty where it tells none."""
    lower = text.lower()
    return next((kind for word, kind in WORDS if word in lower), "")


def _of_row(row: Mapping[str, Any]) -> Layer:
    weights = row.get("Weights")
    constants = _ports(row.get("Constants", ()))
    kernels = [port.dtype for port in constants if port.elements > 1]
    return Layer(
        str(row.get("Name", "")),
        str(row.get("LayerType", "")),
        str(row.get("ParameterType", "")),
        _ports(row.get("Inputs", ())),
        _ports(row.get("Outputs", ())),
        dtype_of(str(weights.get("Type", ""))) if isinstance(weights, Mapping) else (kernels or [""])[0],
        str(row.get("TacticName", "")),
        tuple(NODE.findall(str(row.get("Metadata", "")).strip())),
    )


def _ports(rows: Iterable[Mapping[str, Any]]) -> tuple[Port, ...]:
    return tuple(
        Port(
            str(row.get("Name", "")),
            dtype_of(str(row.get("Format/Datatype", row.get("Datatype", "")))),
            _elements(row.get("Dimensions", ())),
        )
        for row in rows
    )


def _of_line(text: str) -> list[tuple[Port, list[int]]]:
    found = []
    for name, sides, kind in PORT.findall(text):
        dims = [int(side) for side in sides.split(",") if side]
        found.append((Port(name, dtype_of(kind), _elements(dims)), dims))
    return found


def _elements(dims: Iterable[int]) -> int:
    """Return the elements of one frame: the batch, and what else is open, counts as 1."""
    return math.prod(max(1, int(side)) for side in dims)
