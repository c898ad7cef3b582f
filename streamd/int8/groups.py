"""Fusion groups: what is quantized together or not at all, because it shares one scale.

A group is the tensors of one scale and the layers that read them. To leave one of its layers in floating point and
quantize the rest would put a requantization between them, so every question of what INT8 costs, and every answer that
leaves something out, is asked and given by group.
"""

import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from onnx import NodeProto

from streamd.int8.graph import Graph
from streamd.int8.placement import Placement
from streamd.int8.scales import Scales


@dataclass(frozen=True, slots=True)
class Group:
    """Tensors of one scale, and the names of the layers that read them, both in the order of the graph.

    `start` is the number of the first node that reads one of them: what comes before it does not know of the group.
    `macs` are the multiply-adds of its layers for one picture.
    """

    tensors: tuple[str, ...]
    layers: tuple[str, ...]
    start: int
    macs: int

    @property
    def name(self) -> str:
        """What it is called: its first layer, or its first tensor where no layer reads it."""
        return (self.layers or self.tensors)[0]


def groups(graph: Graph, placement: Placement, sizes: dict[str, int] | None = None) -> list[Group]:
    """Return the groups of `placement`, by depth.

    `sizes` has the bytes of tensors (segments.inferred), from which multiply-adds are counted; without them they are 0.
    """
    order = {node.name: i for i, node in enumerate(graph.nodes)}
    counts = multiply_adds(graph, sizes or {})
    layers = set(placement.layers)
    shared = {name: group for group in placement.groups for name in group}
    found = {}
    for tensor in placement.tensors:
        tensors = shared.get(tensor, (tensor,))
        readers = sorted({node for name in tensors for node, _ in placement.readers[name]}, key=order.__getitem__)
        read = tuple(name for name in readers if name in layers)
        found[tensors] = Group(tensors, read, order[readers[0]], sum(counts[name] for name in read))
    return sorted(found.values(), key=lambda group: group.start)


def without(placement: Placement, left: Iterable[Group]) -> Placement:
    """Return `placement` with the groups `left` in floating point; every other keeps its readers and its scale."""
    tensors = {name for group in left for name in group.tensors}
    layers = {name for group in left for name in group.layers}
    readers = {name: read for name, read in placement.readers.items() if name not in tensors}
    reading = {node for read in readers.values() for node, _ in read}
    read = {node for name in tensors for node, _ in placement.readers[name]}
    return replace(
        placement,
        layers=[name for name in placement.layers if name not in layers],
        carriers=[name for name in placement.carriers if name in reading],
        kept=[*placement.kept, *(name for name in placement.layers if name in layers)],
        left=placement.left | (read - reading),
        readers=readers,
        groups=[group for group in placement.groups if tensors.isdisjoint(group)],
    )


def only(scales: Scales, tensors: Collection[str]) -> Scales:
    """Return `scales` for `tensors` alone; the writer leaves the others, and what reads them, in floating point."""
    return replace(scales, activations={name: s for name, s in scales.activations.items() if name in tensors})


def multiply_adds(graph: Graph, sizes: dict[str, int]) -> dict[str, int]:
    """Return the multiply-adds of every weighted layer for an input of the shape that `sizes` were inferred for.

    A convolution does one for each weight and position: its output's elements times what one of them sums up; a
    transposed one its input's elements times what one of them is spread over. Of unknown shapes there are none.
    """
    return {
        node.name: _multiply_adds(graph, node, sizes) for node in graph.nodes if graph.weight_axis(node) is not None
    }


def float_share(graph: Graph, layers: Sequence[str], sizes: dict[str, int]) -> float:
    """Return the share of the model's multiply-adds that is left when `layers` are in integers; 0 if none is known."""
    counts = multiply_adds(graph, sizes)
    total = sum(counts.values())
    return 1 - sum(counts[name] for name in layers) / total if total else 0.0


def _multiply_adds(graph: Graph, node: NodeProto, sizes: dict[str, int]) -> int:
    dims: list[int] = list(graph.initializers[node.input[1]].dims)
    axis = graph.weight_axis(node)
    if node.op_type == "ConvTranspose":
        return _elements(node.input[0], sizes) * math.prod(dims[1:])
    summed = dims[-2:-1] if node.op_type == "MatMul" else [size for i, size in enumerate(dims) if i != axis]
    return _elements(node.output[0], sizes) * math.prod(summed)


def _elements(tensor: str, sizes: dict[str, int]) -> int:
    return sizes.get(tensor, 0) // 4  # bytes of a float32
