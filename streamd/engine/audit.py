"""What became of each layer: its precision, what conversions cost, and what was meant to be INT8 and is not.

TensorRT decides this when it builds, and says nothing of it: an INT8 engine that is no faster than FP16 most often
converts back and forth between the two, or has fewer INT8 convolutions than its file asks for.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from streamd.engine.layers import Layer

NAMES = {"int8": "INT8", "fp8": "FP8", "fp16": "FP16", "bf16": "BF16", "fp32": "FP32", "": "of a type not told"}
FLOATS = {"fp16", "bf16", "fp32"}
CONVOLUTIONS = {"correlation", "deconvolution"}  # kinds, beside all that have "convolution" in their name
# Myelin names a fused layer after its operations, in syllables: __myl_MulMinMaxRounCast. These alone only convert.
SYLLABLES = re.compile(r"__myl_([A-Za-z]+)")
MOVES = {"Mul", "Min", "Max", "Roun", "Cast", "Repl", "Conc", "Move", "Tran", "Resh", "Slic", "Reps", "Pad"}
WITHOUT_WORK = {"signal", "wait", "shape_call", "constant", "no op", "noop", "nocopy"}


@dataclass(frozen=True, slots=True)
class Conversion:
    """A layer that only changes the type or the layout of tensors, and the bytes it reads and writes for a frame."""

    name: str
    source: str
    target: str
    bytes: int


@dataclass(frozen=True, slots=True)
class Row:
    """One layer: what TensorRT calls it and its kind, what it computes in, and the ONNX nodes that it is made of."""

    name: str
    kind: str
    precision: str
    nodes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Audit:
    """The figures of an engine.

    `convolutions` and `others` count layers by precision; `floating` names the convolutions that are not INT8 and
    `single` whatever computes in FP32. `tail` says that nothing after a floating convolution is INT8 again.
    """

    layers: tuple[Row, ...]
    convolutions: dict[str, int]
    others: dict[str, int]
    conversions: tuple[Conversion, ...]
    floating: tuple[str, ...]
    single: tuple[str, ...]
    tail: bool

    @property
    def verdict(self) -> str:
        """The figures in one line."""
        total = sum(self.convolutions.values())
        integer = self.convolutions.get("int8", 0)
        parts = []
        if integer:
            parts.append(f"{integer} of {total} convolutions INT8")
            rest = [kind for kind in self.convolutions if kind != "int8"]
            where = "head" if self.tail else f"the other {total - integer}"
            parts += [f"{where} {' and '.join(NAMES.get(kind, kind) for kind in rest)}"] if rest else []
            size = sum(one.bytes for one in self.conversions) / 1e6
            moved = f" ({size:.1f} MB a frame)" if size else ""
            parts.append(f"{_plural(len(self.conversions), 'conversion')}{moved}")
        else:
            kinds = [f"{count} {NAMES.get(kind, kind)}" for kind, count in sorted(self.convolutions.items())]
            parts.append(f"convolutions: {', '.join(kinds) or 'none'}")
            parts.append(_plural(len(self.conversions), "conversion"))
        if self.single and (integer or self.convolutions.get("fp16")):
            parts.append(f"{_plural(len(self.single), 'layer')} in FP32")
        return "; ".join(parts)

    def as_json(self) -> dict[str, Any]:
        """Return all of it, and the verdict, for a JSON file."""
        return {"verdict": self.verdict, **asdict(self)}


def _plural(count: int, word: str) -> str:
    return f"{count} {word}{'' if count == 1 else 's'}"


def audit(layers: Sequence[Layer]) -> Audit:
    """Return the figures of an engine's layers."""
    working = [layer for layer in layers if layer.kind.lower() not in WITHOUT_WORK]
    converting = [layer for layer in working if _converts(layer)]
    convolving = [layer for layer in working if _convolves(layer)]
    others = [layer for layer in working if layer not in converting and layer not in convolving]
    floating = [layer for layer in convolving if _precision(layer) in FLOATS]
    return Audit(
        layers=tuple(Row(layer.name, layer.kind, _precision(layer), layer.nodes) for layer in working),
        convolutions=_counted(convolving),
        others=_counted(others),
        conversions=tuple(_conversion(layer) for layer in converting),
        floating=tuple(_called(layer) for layer in floating),
        single=tuple(_called(layer) for layer in (*convolving, *others) if _precision(layer) == "fp32"),
        tail=not _leads_to_int8(floating, convolving, layers),
    )


def _precision(layer: Layer) -> str:
    """Return what a layer computes in: its weights' type, or else that of what it reads.

    Of a layer without weights it is what it makes: the one after an INT8 convolution reads sums in FP32 whatever it
    makes of them. Where shapes vary and nothing tells, older versions still name the kernel by its types: i8, f16, f32.
    """
    ports = (*layer.inputs, *layer.outputs) if _convolves(layer) else (*layer.outputs, *layer.inputs)
    told = [layer.weights, *(port.dtype for port in ports)]
    found = next((kind for kind in told if kind), "")
    if found:
        return found
    kernel = re.search(r"_(i8|f16|h|f32|s)\w*_", layer.tactic)
    return {"i8": "int8", "f16": "fp16", "h": "fp16", "f32": "fp32", "s": "fp32"}[kernel[1]] if kernel else ""


def _convolves(layer: Layer) -> bool:
    kind = layer.kind.lower()
    if "convolution" in layer.operation.lower() or "convolution" in kind or kind in CONVOLUTIONS:
        return True
    return "Corr" in _syllables(layer)


def _converts(layer: Layer) -> bool:
    """Whether a layer computes nothing: TensorRT's reformats, and fused layers that only convert between types."""
    if "reformat" in (layer.kind.lower(), layer.operation.lower()):
        return True
    syllables = _syllables(layer)
    before = {port.dtype for port in layer.inputs if port.dtype}
    after = {port.dtype for port in layer.outputs if port.dtype}
    return bool(syllables) and set(syllables) <= MOVES and bool(before) and before != after


def _syllables(layer: Layer) -> list[str]:
    found = SYLLABLES.match(layer.name)
    return re.findall(r"[A-Z][a-z]*", found[1]) if found else []


def _conversion(layer: Layer) -> Conversion:
    size = sum(port.bytes for port in (*layer.inputs, *layer.outputs))
    ends = [next((port.dtype for port in ports if port.dtype), "") for ports in (layer.inputs, layer.outputs)]
    return Conversion(_called(layer), ends[0], ends[1], size)


def _called(layer: Layer) -> str:
    """Return a name that says something: the ONNX node where TensorRT made up a name of its own."""
    return layer.nodes[0] if layer.nodes and layer.name.startswith("__") else layer.name


def _counted(layers: Iterable[Layer]) -> dict[str, int]:
    return dict(sorted(Counter(_precision(layer) for layer in layers).items()))


def _leads_to_int8(starts: Sequence[Layer], convolving: Sequence[Layer], layers: Sequence[Layer]) -> bool:
    """Whether an INT8 convolution reads, by whatever way, what one of `starts` made."""
    readers: dict[str, list[Layer]] = {}
    for layer in layers:
        for port in layer.inputs:
            readers.setdefault(port.name, []).append(layer)
    integer = {id(layer) for layer in convolving if _precision(layer) == "int8"}
    waiting, seen = list(starts), {id(layer) for layer in starts}
    while waiting:
        for port in waiting.pop().outputs:
            for reader in readers.get(port.name, ()):
                if id(reader) in integer:
                    return True
                if id(reader) not in seen:
                    seen.add(id(reader))
                    waiting.append(reader)
    return False
