"""Where a network stops seeing and starts to say: its last weighted layers and the decoding after them.

Found by structure alone. From each graph output the walk goes back through whatever has no weights (Sigmoid, Concat,
Reshape, Split, anchor arithmetic, TopK, NMS) and stops at the first weighted layer of every path. Those last layers
give boxes and scores, whose range and resolution INT8 ruins (YOLOv6s: 0.434 mAP in FP16, 0.325 with them quantized),
and decoding may join boxes of hundreds of pixels with scores below 1, which no single scale can hold.
"""

from dataclasses import dataclass

from onnx import NodeProto

from streamd.int8.graph import Graph

RESHAPING = {"Reshape", "Transpose", "Flatten", "Squeeze", "Unsqueeze", "Identity", "Cast"}


@dataclass(frozen=True, slots=True)
class Head:
    """Names of nodes: the `last` weighted layers, and those that `decode` what they give."""

    last: frozenset[str]
    decode: frozenset[str]

    def __contains__(self, node: NodeProto) -> bool:
        return node.name in self.last or node.name in self.decode


def find(graph: Graph) -> Head:
    """Find the head of `graph`."""
    last: set[str] = set()
    decode: set[str] = set()
    seen: set[str] = set()
    waiting = list(graph.outputs)
    while waiting:
        tensor = waiting.pop()
        node = graph.producer.get(tensor)
        if node is None or tensor in seen:
            continue
        seen.add(tensor)
        if graph.weight_axis(node) is not None and not _is_expectation(graph, node):
            last.add(node.name)
        else:
            decode.add(node.name)
            waiting += graph.activations(node)
    return Head(frozenset(last), frozenset(decode))


def _is_expectation(graph: Graph, node: NodeProto) -> bool:
    """Whether the layer takes the mean of a distribution (distribution focal loss): a fixed product after Softmax."""
    maker = graph.producer.get(node.input[0])
    while maker is not None and maker.op_type in RESHAPING:
        maker = graph.producer.get(maker.input[0])
    return maker is not None and maker.op_type == "Softmax"
