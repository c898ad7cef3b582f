"""Where a network stops seeing and starts to say: its last weighted layers and the decoding after them.

Found by structure alone. From each graph output the walk goes back through whatever has no weights (Sigmoid, Concat,
Reshape, Split, anchor arithmetic, TopK, NMS) and stops at the first weighted layer of every path; a residual sum is
left by the branch alone, as its skip path leads through the sums of all blocks before it. Those last layers
give boxes and scores, whose range and resolution INT8 ruins (YOLOv6s: 0.434 mAP in FP16, 0.325 with them quantized),
and decoding may join boxes of hundreds of pixels with scores below 1, which no single scale can hold.
"""

from dataclasses import dataclass

from onnx import NodeProto

from streamd.int8.bodies import reads
from streamd.int8.graph import Graph

CONVOLUTIONS = {"Conv", "ConvTranspose"}
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
            waiting += _before(graph, node)
    return Head(frozenset(last), frozenset(decode))


def _before(graph: Graph, node: NodeProto) -> list[str]:
    """Return the tensors through which the walk goes on."""
    names = [name for name in reads(node) if name not in graph.initializers]
    if node.op_type != "Add":
        return names
    return [name for name in names if not any(_is_skip(graph, name, other) for other in names if other != name)]


def _is_skip(graph: Graph, tensor: str, other: str) -> bool:
    """Whether `other`, which `tensor` is added to, is made of `tensor` by convolutions.

    By those alone: decoders made of matrix products refine boxes by adding to them, and boxes belong to the head.
    """
    waiting = [(other, False)]
    seen = set(waiting)
    while waiting:
        name, convolved = waiting.pop()
        if name == tensor and convolved:
            return True
        node = graph.producer.get(name)
        if node is None:
            continue
        layer = node.op_type in CONVOLUTIONS and graph.weight_axis(node) is not None
        further = {(before, convolved or layer) for before in reads(node)} - seen
        seen |= further
        waiting += further
    return False


def _is_expectation(graph: Graph, node: NodeProto) -> bool:
    """Whether the layer takes the mean of a distribution (distribution focal loss): a fixed product after Softmax."""
    maker = graph.producer.get(node.input[0])
    while maker is not None and maker.op_type in RESHAPING:
        maker = graph.producer.get(maker.input[0])
    return maker is not None and maker.op_type == "Softmax"
