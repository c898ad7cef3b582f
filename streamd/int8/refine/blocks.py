"""What is reconstructed together: one layer with the activation after it, or several such in a row."""

from collections.abc import Sequence
from dataclasses import dataclass

from onnx import NodeProto

from streamd.int8.graph import Graph
from streamd.int8.placement import Placement
from streamd.int8.scales import Scales
from streamd.int8.stretch import stretch

UNARY = {
    "Clip", "Elu", "Gelu", "HardSigmoid", "HardSwish", "LeakyRelu", "Mish", "PRelu", "Relu", "Sigmoid", "Softplus",
    "Tanh",
}  # fmt: skip
GATES = {"Sigmoid", "HardSigmoid"}


@dataclass(frozen=True, slots=True)
class Block:
    """Layers by name, the graph that computes `outputs` from what exists before node number `start`."""

    layers: tuple[str, ...]
    start: int
    part: Graph
    outputs: tuple[str, ...]


def blocks(graph: Graph, placement: Placement, scales: Scales, size: int = 1) -> list[Block]:
    """Return blocks of `size` layers in the order of the graph: all layers whose weights `scales` quantize."""
    chosen = [node for node in graph.nodes if node.name in set(placement.layers)]
    chosen = [node for node in chosen if node.input[0] in scales.activations]
    order = {node.name: i for i, node in enumerate(graph.nodes)}
    return [
        _block(graph, chosen[i : i + size], order[chosen[i].name], order) for i in range(0, len(chosen), max(size, 1))
    ]


def settled(graph: Graph, layer: NodeProto) -> str:
    """Return the tensor that a layer gives once its activation is done: that of x, f(x), or x * gate(x)."""
    name = str(layer.output[0])
    readers = graph.consumers[name]
    if name in graph.outputs:
        return name
    if len(readers) == 1 and readers[0].op_type in UNARY:
        return str(readers[0].output[0])
    gates = [reader for reader in readers if reader.op_type in GATES]
    products = [reader for reader in readers if reader.op_type == "Mul"]
    if len(readers) == 2 and gates and products and gates[0].output[0] in products[0].input:
        return str(products[0].output[0])
    return name


def _block(graph: Graph, layers: Sequence[NodeProto], start: int, order: dict[str, int]) -> Block:
    """Return the block of `layers`; its outputs are all tensors of it that anything outside reads."""
    ends = [settled(graph, layer) for layer in layers]
    last = max(order[graph.producer[name].name] for name in ends) + 1
    whole = stretch(graph, start, last, ends)
    inside = {node.name for node in whole.nodes}
    made = [name for node in whole.nodes for name in node.output if name]
    outputs = [
        name
        for name in made
        if name in graph.outputs or any(reader.name not in inside for reader in graph.consumers[name])
    ]
    part = stretch(graph, start, last, outputs or ends[-1:])
    return Block(tuple(layer.name for layer in layers), start, part, part.outputs)
