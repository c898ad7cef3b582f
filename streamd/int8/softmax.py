"""Softmax as the sum that it is, for ONNX Runtime on a CPU.

Its own kernel is fast along the last axis only; along any other, as a box distribution (DFL) is laid out, it turns the
tensor around and back: 2.5 ms of a 22 ms detector on one core, where the sum takes 0.7.
"""

from collections.abc import Iterator

import numpy as np
from onnx import NodeProto, TensorProto, helper, numpy_helper

from streamd.int8.graph import Graph, attribute


def inner_axis(graph: Graph, node: NodeProto) -> int | None:
    """Return the axis of a Softmax that is known not to be the last; None for the last, and for any other node."""
    if node.op_type != "Softmax":
        return None
    ranks = [len(v.type.tensor_type.shape.dim) for v in graph.model.graph.value_info if v.name == node.input[0]]
    axis = int(str(attribute(node, "axis", -1)))
    return None if not any(ranks) or axis % ranks[0] == ranks[0] - 1 else axis


def written_out(node: NodeProto, axis: int) -> tuple[TensorProto, Iterator[NodeProto]]:
    """Return the nodes that compute what `node`, a Softmax along `axis`, does, and the constant that they read."""
    (x,), (y,) = node.input, node.output
    axes = numpy_helper.from_array(np.array([axis], np.int64), f"{y}/axis")
    steps = (
        ("ReduceMax", [x, axes.name], "largest"),
        ("Sub", [x, f"{y}/largest"], "below"),
        ("Exp", [f"{y}/below"], "power"),
        ("ReduceSum", [f"{y}/power", axes.name], "total"),
        ("Div", [f"{y}/power", f"{y}/total"], ""),
    )
    return axes, (
        helper.make_node(kind, inputs, [f"{y}/{result}" if result else y], f"{node.name}/{kind}")
        for kind, inputs, result in steps
    )
