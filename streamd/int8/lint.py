"""What is wrong with a Q/DQ graph: each finding names the node, why it hurts and the mend.

An error is refused by the runtime or ruins the answers; a warning costs speed or accuracy. The rules are TensorRT's;
those in `EVERYWHERE` hold for ONNX Runtime on the CPU too, whose files differ on purpose (streamd/int8/qdq.py).
"""

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import onnx
from onnx import TensorProto

from streamd.int8.opset import NEEDED
from streamd.int8.placement import TRANSPARENT, carries, moved
from streamd.int8.scales import SMALLEST
from streamd.int8.view import DQ, Q, View

Severity = Literal["error", "warning"]
Runtime = Literal["tensorrt", "onnxruntime"]
REFUSED = {"uint8", "int16", "uint16", "uint4"}  # types of codes
INTEGER = ("ConvInteger", "MatMulInteger", "DynamicQuantizeLinear", "QAttention", "QGemm")


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault of a graph, at one node."""

    severity: Severity
    rule: str
    node: str
    why: str
    mend: str

    def __str__(self) -> str:
        return f"{self.severity}: {self.node}: {self.why}; {self.mend} [{self.rule}]"


def lint(model: onnx.ModelProto, runtime: Runtime = "tensorrt") -> list[Finding]:
    """Return the findings on `model`, errors first."""
    view = View(model)
    rules = RULES if runtime == "tensorrt" else EVERYWHERE
    found = [finding for rule in rules for finding in rule(view)]
    return sorted(found, key=lambda finding: finding.severity != "error")


def _absurd_scale(view: View) -> Iterator[Finding]:
    for node in view.pairs:
        scale = view.scale(node)
        if scale is not None and not (np.isfinite(scale) & (scale > 0)).all():
            why = "its scale is 0, negative, NaN or infinite, so that its values are lost"
            yield Finding("error", "absurd-scale", node.name, why, "calibrate again; a tensor of zeros is scaled for 1")


def _half_scale_below_19(view: View) -> Iterator[Finding]:
    for node in view.pairs:
        scale = view.graph.initializers.get(node.input[1])
        if scale is not None and scale.data_type == TensorProto.FLOAT16 and view.opset < NEEDED:
            why = f"its scale is float16, which opset {view.opset} does not know"
            yield Finding("error", "half-scale", node.name, why, f"raise the opset to {NEEDED}")


def _subnormal_scale(view: View) -> Iterator[Finding]:
    for node in view.pairs:
        scale = view.scale(node)
        if scale is not None and scale.dtype == np.float16 and ((scale > 0) & (scale < SMALLEST)).any():
            why = "its float16 scale is subnormal and has lost precision"
            yield Finding("warning", "subnormal-scale", node.name, why, f"round scales to {SMALLEST:.3g} or more")


def _duplicates(view: View) -> Iterator[Finding]:
    readers: dict[str, list[str]] = defaultdict(list)
    for node in view.pairs:
        if node.op_type == Q:
            readers[node.input[0]].append(node.name)
    for tensor, names in readers.items():
        if len(names) > 1:
            why = f"{tensor} is quantized {len(names)} times ({', '.join(names)}), once for each reader"
            yield Finding("warning", "duplicate-pair", names[1], why, "let all readers share one pair")


def _quantized_output(view: View) -> Iterator[Finding]:
    for output in view.graph.outputs:
        node = view.source(output) or view.graph.producer.get(output)
        if node is not None and node.op_type in {Q, DQ}:
            why = f"the output {output} is quantized: boxes and scores share 256 steps"
            yield Finding("error", "quantized-output", node.name, why, "take the pair away")


def _box_and_score(view: View) -> Iterator[Finding]:
    for node in view.graph.nodes:
        if node.op_type == "Concat" and node.name in view.head.decode:
            quantized = [name for name in node.input if view.source(name) is not None]
            if quantized or any(view.is_answered(sink) for name in node.output for sink in view.sinks(name)):
                why = "it joins what the network answers, boxes with scores, and one scale for both makes scores 0"
                yield Finding("error", "box-and-score-concat", node.name, why, "leave the decoding in floating point")


def _quantized_head(view: View) -> Iterator[Finding]:
    for node in view.graph.nodes:
        if node.name in view.head.last and view.source(node.input[0]) is not None:
            why = "it is a last layer, whose answers need more than 256 steps"
            yield Finding("warning", "quantized-head", node.name, why, "leave the last layers in floating point")


def _integer_operators(view: View) -> Iterator[Finding]:
    for node in view.graph.nodes:
        if node.op_type.startswith("QLinear") or node.op_type in INTEGER:
            why = f"TensorRT does not know {node.op_type}"
            yield Finding("error", "integer-operator", node.name, why, "write Q/DQ around the float operator")


def _zero_point(view: View) -> Iterator[Finding]:
    for node in view.pairs:
        zero, kind = view.zero(node), view.codes(node)
        if kind in REFUSED or (zero is not None and zero.any()):
            what = (
                f"{kind} codes" if kind in REFUSED or zero is None else f"the zero point {zero[zero != 0].ravel()[0]}"
            )
            why = f"it has {what}, and TensorRT takes only int8 with zero point 0"
            yield Finding("error", "zero-point", node.name, why, "quantize symmetrically, to int8")


def _per_channel_activation(view: View) -> Iterator[Finding]:
    for node in view.pairs:
        scale = view.scale(node)
        if node.op_type == Q and scale is not None and scale.size > 1 and node.input[0] not in view.graph.initializers:
            why = "it quantizes an activation with a scale for each channel, which TensorRT takes for weights only"
            yield Finding("error", "per-channel-activation", node.name, why, "give the tensor one scale")


def _quantized_bias(view: View) -> Iterator[Finding]:
    for node in view.graph.nodes:
        if node.op_type in {"Conv", "ConvTranspose", "Gemm"} and len(node.input) > 2:
            source = view.source(node.input[2])
            if source is not None:
                why = "its bias is quantized, which TensorRT refuses or runs apart from the layer"
                yield Finding("error", "quantized-bias", node.name, why, "leave the bias in floating point")


def _apart_from_dequantize(view: View) -> Iterator[Finding]:
    for node in view.pairs:
        others = [
            reader.op_type
            for name in node.output
            for reader in view.graph.consumers[name]
            if reader.op_type not in TRANSPARENT | {DQ}
        ]
        if node.op_type == Q and others:
            why = f"its codes go to {others[0]}, and TensorRT takes them only through DequantizeLinear"
            yield Finding("error", "codes-without-dq", node.name, why, "put a DequantizeLinear after it")


def _unequal_scales(view: View) -> Iterator[Finding]:
    for node in view.graph.nodes:
        if not carries(view.bare, node) or (node.op_type == "Add" and len(node.input) != 2):
            continue
        pairs = [pair for name in moved(node) if (pair := view.source(name)) is not None]
        if pairs and node.op_type != "Add":
            pairs += [sink for name in node.output for sink in view.sinks(name)]
        scales = {float(np.ravel(scale)[0]) for pair in pairs if (scale := view.scale(pair)) is not None and scale.size}
        if len(scales) > 1:
            why = f"what it joins has {len(scales)} scales, {min(scales):.3g} to {max(scales):.3g}: each is requantized"
            yield Finding("warning", "unequal-scales", node.name, why, "give them one scale, the largest")


def _inside_activation(view: View) -> Iterator[Finding]:
    for node in view.pairs:
        maker = view.graph.producer.get(node.input[0]) if node.op_type == Q else None
        if maker is None or maker.op_type not in {"Conv", "ConvTranspose", "Gemm"}:
            continue
        readers = [
            r.op_type for pair in view.graph.consumers[node.output[0]] for r in view.graph.consumers[pair.output[0]]
        ]
        if "Sigmoid" in readers or "HardSigmoid" in readers:
            why = f"it stands between {maker.name} and its activation, and keeps them from being one kernel"
            yield Finding("warning", "inside-activation", node.name, why, "quantize after the activation")


def _single_precision(view: View) -> Iterator[Finding]:
    floats = [node for node in view.bare.nodes if view.bare.weight_axis(node) is not None]
    half = any(tensor.data_type == TensorProto.FLOAT16 for tensor in view.graph.initializers.values())
    for node in floats:
        weight = view.graph.initializers.get(node.input[1])
        if view.pairs and not half and weight is not None and weight.data_type == TensorProto.FLOAT:
            why = "it runs in float32: a strongly typed engine runs what is not quantized in the type of the file"
            yield Finding("warning", "single-precision", node.name, why, "write the file with --base fp16")
            return


Rule = Callable[[View], Iterator[Finding]]
EVERYWHERE: tuple[Rule, ...] = (_absurd_scale, _half_scale_below_19, _duplicates, _quantized_output, _box_and_score,
                                _quantized_head)  # fmt: skip
RULES: tuple[Rule, ...] = (
    *EVERYWHERE, _subnormal_scale, _integer_operators, _zero_point, _per_channel_activation, _quantized_bias,
    _apart_from_dequantize, _unequal_scales, _inside_activation, _single_precision,
)  # fmt: skip
