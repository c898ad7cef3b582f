"""The screen that needs no run: how unequal the channels of a group's tensors are, told from weights alone.

An activation has one scale for all its channels. Where the layer that makes it has output channels whose weights differ
a thousandfold, so do the channels, and one scale loses the small ones (ratios up to 19,589 are on record in models
that collapse; facts C.3). The ratio is max_c amax_c / median_c amax_c over the output channels of that layer; the
largest of a group counts. A ratio along the input channels of the layers that read it says nothing by itself: what a
channel loses there it loses in proportion.
"""

from collections.abc import Iterator

import numpy as np
from onnx import NodeProto

from streamd.int8.graph import Array, Graph, attribute
from streamd.int8.groups import Group
from streamd.int8.placement import TRANSPARENT, carries


def ratio(graph: Graph, group: Group) -> float:
    """Return the largest ratio of the layers that make the tensors of `group`; 1 where none does."""
    nodes = {node.name: node for node in graph.nodes}
    found = [1.0]
    for tensor in group.tensors:
        for name in _makers(graph, tensor):
            node = nodes[name]
            weight, axis = graph.constant(node.input[1]), graph.weight_axis(node)
            if weight is not None and axis is not None:
                found.append(_ratio(_by_channel(node, weight, axis)))
    return max(found)


def _by_channel(node: NodeProto, weight: Array, axis: int) -> Array:
    """Return the weight with a row for each output channel; a transposed convolution has them by group."""
    group = int(str(attribute(node, "group", 1))) if node.op_type == "ConvTranspose" else 1
    parts = weight.reshape(group, -1, *weight.shape[1:]) if group > 1 else weight
    rows = np.moveaxis(parts, 2, 1) if group > 1 else np.moveaxis(parts, axis, 0)
    return rows.reshape(group * weight.shape[axis], -1)


def _ratio(rows: Array) -> float:
    ranges = np.abs(rows).max(axis=1)
    ranges = ranges[ranges > 0]
    return float(ranges.max() / np.median(ranges)) if ranges.size else 1.0


def _makers(graph: Graph, tensor: str) -> Iterator[str]:
    """Yield the weighted layers whose result reaches `tensor` through activations, sums and what moves values."""
    waiting, seen = [tensor], set()
    while waiting:
        node = graph.producer.get(waiting.pop())
        if node is None or node.name in seen:
            continue
        seen.add(node.name)
        if graph.weight_axis(node) is not None:
            yield node.name
        elif node.op_type in TRANSPARENT or not carries(graph, node):
            waiting += graph.activations(node)
