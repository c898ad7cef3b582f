"""The writer: a graph, a placement and one set of scales become a Q/DQ model.

Two profiles of one set. `TENSORRT` has signed codes, zero point 0, pairs where the placement says and nowhere else,
and biases in floating point. `CPU` has the same codes shifted by 128 (ONNX Runtime's x64 kernels want them unsigned)
and adds what ONNX Runtime needs to run a layer in integers: its output quantized, its bias as int32, and the same
pair on either side of what merely moves values. Those additions are the CPU file's own rounding. What ONNX Runtime is
slow at it does without: a layer that reads the picture's few channels stays in floating point (the bundled detector
takes 14.4 ms with it in integers, 12.9 without), and a Softmax across an inner axis is written out (softmax.py).
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import NodeProto, TensorProto, helper, numpy_helper

from streamd.frames import F32
from streamd.int8.bodies import captured, living, reads
from streamd.int8.graph import Array, Graph
from streamd.int8.placement import CARRIERS, TRANSPARENT, Placement
from streamd.int8.scales import LEAST, TOP, Scales, quantize_weight
from streamd.int8.softmax import inner_axis, written_out

FEW_CHANNELS = 4  # of a picture: too few to fill the dot products of ONNX Runtime's integer kernels
SILU_FLOOR = -8.0  # below it SiLU(x) is nearer to 0 than 0.003: codes spent there would be wasted


@dataclass(frozen=True, slots=True)
class Profile:
    """What kind of Q/DQ a runtime wants."""

    signed: bool
    integer_layers: bool  # outputs and biases of layers quantized too
    top: int = TOP  # largest weight code


TENSORRT = Profile(signed=True, integer_layers=False)
CPU = Profile(signed=False, integer_layers=True)
CPU_WITHOUT_VNNI = Profile(signed=False, integer_layers=True, top=63)  # two products of u8 and s8 must fit into int16


@dataclass(frozen=True, slots=True)
class _Pair:
    """The parameters of the Q and DQ of one tensor."""

    scale: float
    zero: int


def write(graph: Graph, placement: Placement, scales: Scales, profile: Profile = TENSORRT) -> onnx.ModelProto:
    """Return `graph` with Q/DQ pairs. A tensor without a scale, and a layer that reads it, stay in floating point."""
    return _Writer(graph, placement, scales, profile).model()


class _Writer:
    def __init__(self, graph: Graph, placement: Placement, scales: Scales, profile: Profile) -> None:
        self._graph = graph
        self._profile = profile
        self._scales = scales.activations
        self._codes = scales.weights if profile.top == TOP else {}  # codes of 8 bits are of no use where 7 must do
        stems = _stems(graph, placement) if profile.integer_layers else set()
        self._layers = set(placement.layers) - stems
        self._leaves = placement.leaves
        self._left = placement.left
        self._constants: list[TensorProto] = []
        zero = 0 if profile.signed else 128
        idle = {name for name, all_ in placement.readers.items() if stems.issuperset(node for node, _ in all_)}
        self._pairs = {name: _Pair(scale, zero) for name, scale in scales.activations.items() if name not in idle}
        self._reads = {(node, i) for name, all_ in placement.readers.items() if name in self._pairs for node, i in all_}
        self._movers: dict[str, set[str]] = defaultdict(set)  # tensor that was passed a scale -> who may read it so
        self._floating = self._moved_to_float()
        if profile.integer_layers:
            self._add_passed_on()
            self._add_layer_outputs(scales)

    def model(self) -> onnx.ModelProto:
        """Build the model."""
        made = onnx.ModelProto()
        made.CopyFrom(self._graph.model)
        del made.graph.node[:]
        del made.graph.value_info[:]
        made.graph.node.extend(living(list(self._nodes()), self._graph.outputs))
        used = {name for node in made.graph.node for name in reads(node)}
        constants = [*self._graph.model.graph.initializer, *self._constants]
        outputs = set(self._graph.outputs)
        del made.graph.initializer[:]
        made.graph.initializer.extend(t for t in constants if t.name in used | outputs)
        return made

    def _nodes(self) -> Iterator[NodeProto]:
        for name in self._graph.inputs:
            yield from self._pair(name)
        for original in self._graph.nodes:
            node = NodeProto.FromString(original.SerializeToString())
            for i, name in enumerate(original.input):
                if self._is_read(original, i):
                    node.input[i] = f"{name}/dequantized"
            if original.name in self._layers and original.input[0] in self._scales:
                yield from self._weights(node, original)
            yield from self._quick(node) if self._profile.integer_layers else [node]
            for name in original.output:
                yield from self._pair(name)

    def _quick(self, node: NodeProto) -> Iterator[NodeProto]:
        """Yield `node`, or what does its work faster."""
        axis = inner_axis(self._graph, node)
        if axis is None:
            yield node
            return
        constant, nodes = written_out(node, axis)
        self._constants.append(constant)
        yield from nodes

    def _is_read(self, node: NodeProto, i: int) -> bool:
        """Whether input `i` of `node` reads the dequantized tensor."""
        if node.input[i] not in self._pairs:
            return False
        if (node.name, i) in self._reads:
            return True
        if node.input[i] in self._movers:
            return i == 0 and node.name in self._movers[node.input[i]]
        return self._profile.integer_layers and not self._leaves(node) and node.name not in self._floating

    def _pair(self, name: str) -> Iterator[NodeProto]:
        pair = self._pairs.get(name)
        if pair is None:
            return
        scale = self._constant(np.asarray(pair.scale, np.float32), f"{name}/scale")
        zero = self._constant(np.asarray(pair.zero, np.int8 if self._profile.signed else np.uint8), f"{name}/zero")
        yield helper.make_node("QuantizeLinear", [name, scale, zero], [f"{name}/quantized"], f"{name}/Q")
        made = [f"{name}/dequantized"]
        yield helper.make_node("DequantizeLinear", [f"{name}/quantized", scale, zero], made, f"{name}/DQ")

    def _weights(self, node: NodeProto, original: NodeProto) -> Iterator[NodeProto]:
        axis = self._graph.weight_axis(original)
        weight = self._graph.constant(original.input[1])
        if axis is None or weight is None:
            return
        bias = self._graph.constant(original.input[2]) if len(original.input) > 2 and original.input[2] else None
        input_scale = self._scales[original.input[0]]
        rounded = self._codes.get(node.name)
        codes, scale = rounded or quantize_weight(weight, axis, bias, input_scale, top=self._profile.top)
        yield self._dequantize(node, 1, codes, scale, axis)
        if bias is not None and self._profile.integer_layers and bias.shape == scale.shape:
            product = (scale.astype(np.float64) * input_scale).astype(np.float32)
            yield self._dequantize(node, 2, np.rint(bias / product.astype(np.float64)).astype(np.int32), product, 0)

    def _dequantize(self, node: NodeProto, i: int, codes: Array, scale: F32, axis: int) -> NodeProto:
        """Let input `i` of `node` read constant codes through a DequantizeLinear, which is returned."""
        name = f"{node.name}/{'weight' if i == 1 else 'bias'}"
        inputs = [self._constant(codes, f"{name}/quantized"), self._constant(scale, f"{name}/scale")]
        inputs.append(self._constant(np.zeros(scale.shape, codes.dtype), f"{name}/zero"))
        node.input[i] = f"{name}/dequantized"
        return helper.make_node("DequantizeLinear", inputs, [node.input[i]], f"{name}/DQ", axis=axis)

    def _constant(self, value: Array, name: str) -> str:
        self._constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def _moved_to_float(self) -> set[str]:
        """Return the nodes that move values to the head, or to what is kept: they need not be rounded on the way."""
        found: set[str] = set()
        for node in reversed(self._graph.nodes):
            readers = [reader for name in node.output for reader in self._graph.consumers[name]]
            if node.op_type in TRANSPARENT | CARRIERS and any(r.name in found or self._leaves(r) for r in readers):
                found.add(node.name)
        return found

    def _add_passed_on(self) -> None:
        """Give what Split, Slice and their like read the scale that all their results share.

        Whoever else reads it does so in floating point: a scale of a part need not hold the rest.
        """
        for node in reversed(self._graph.nodes):
            moves = node.op_type in TRANSPARENT and not self._leaves(node) and node.name not in self._floating
            pair = self._pair_of_results(node) if moves else None
            name = node.input[0] if pair else ""
            if pair and (name not in self._pairs or (name in self._movers and self._pairs[name] == pair)):
                self._pairs[name] = pair
                self._movers[name].add(node.name)

    def _pair_of_results(self, node: NodeProto) -> _Pair | None:
        """Return the pair that everything made by `node` has, and is read through by all."""
        graph = self._graph
        used = [name for name in node.output if graph.consumers[name] or name in graph.outputs]
        pairs = {self._pairs.get(name) for name in used}
        through = all(name not in graph.outputs and self._is_read_by_all(name) for name in used)
        return pairs.pop() if len(pairs) == 1 and through and node.input[0] not in graph.initializers else None

    def _is_read_by_all(self, name: str) -> bool:
        """Whether nobody reads the tensor itself."""
        readers = self._graph.consumers[name]
        inputs = [(reader, i) for reader in readers for i, each in enumerate(reader.input) if each == name]
        return all(self._is_read(*each) for each in inputs) and not any(name in captured(reader) for reader in readers)

    def _add_layer_outputs(self, scales: Scales) -> None:
        """Quantize what layers give, and the gate of a SiLU, so that both run in integers."""
        for node in self._graph.nodes:
            name = node.output[0]
            if node.name not in self._layers or node.input[0] not in self._scales or name in self._graph.outputs:
                continue
            if self._is_read_by_kept(name):
                continue
            readers = self._graph.consumers[name]
            gates = [reader for reader in readers if reader.op_type == "Sigmoid" and not self._leaves(reader)]
            if name in scales.bounds and not any(self._leaves(reader) for reader in readers):
                low, high = scales.bounds[name]
                self._pairs.setdefault(name, _spanning(max(low, SILU_FLOOR) if _gated(readers) else low, high))
                for gate in gates:
                    self._pairs.setdefault(gate.output[0], _Pair(1 / 255, 0))

    def _is_read_by_kept(self, name: str) -> bool:
        """Whether a layer's result goes, its activation done, to one that the user or the screen keeps in float."""
        readers = self._graph.consumers[name]
        after = [r for reader in readers for out in reader.output for r in self._graph.consumers[out]]
        return any(reader.name in self._left for reader in [*readers, *after])


def _stems(graph: Graph, placement: Placement) -> set[str]:
    """Return the layers that read a picture of few channels."""
    return {
        node.name
        for node in graph.nodes
        if node.name in placement.layers
        and node.op_type == "Conv"
        and node.input[0] in placement.pictures
        and graph.initializers[node.input[1]].dims[1] <= FEW_CHANNELS
    }


def _gated(readers: Sequence[NodeProto]) -> bool:
    """Whether all that reads a tensor is the sigmoid of it, and its product with that."""
    gates = {reader.output[0] for reader in readers if reader.op_type == "Sigmoid"}
    products = [reader for reader in readers if reader.op_type == "Mul" and not gates.isdisjoint(reader.input)]
    return bool(gates) and len(gates) + len(products) == len(readers)


def _spanning(low: float, high: float) -> _Pair:
    """Return 256 unsigned codes over [low, high], 0 among them."""
    low, high = min(low, 0.0), max(high, 0.0)
    scale = float(np.float32(max((high - low) / 255, LEAST))) if high > low else 1 / 255
    return _Pair(scale, int(np.clip(round(-low / scale), 0, 255)))
