"""What is quantized, and which tensors share a scale: the rules of TensorRT's explicit quantization, as code.

* The data input of every weighted layer is quantized, its output never is as such: so convolution, activation and
  the quantization of the activation's result stay one kernel, with nothing between Conv and Sigmoid or Mul.
* Layers that only carry values (Concat, MaxPool, nearest Resize, the residual Add) are quantized where they feed
  weighted layers, and what they join has one scale: else the GPU requantizes at each of them.
* Split, Slice, Reshape and their like pass a scale on and get no pair of their own.
* The head (head.py), biases, graph outputs and whatever the user keeps are left in floating point.
* One pair a tensor, whoever reads it.

Sources: NVIDIA's "Working with Quantized Types", its yolo_deepstream guide, ModelOpt's placement (facts in issue 4).
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from onnx import NodeProto, TensorProto

from streamd.int8.bodies import captured
from streamd.int8.graph import Graph, attribute
from streamd.int8.head import Head, find

CARRIERS = {"Concat", "Add", "MaxPool", "Resize"}
TRANSPARENT = {
    "Split", "Slice", "Reshape", "Transpose", "Flatten", "Squeeze", "Unsqueeze", "Identity", "DepthToSpace",
    "SpaceToDepth",
}  # fmt: skip

Keep = Callable[[NodeProto], bool]


@dataclass(slots=True)
class Placement:
    """Which inputs of which nodes read a quantized tensor, and which tensors share a scale."""

    head: Head
    whole: bool = False  # the head is quantized too
    layers: list[str] = field(default_factory=list)  # weighted nodes that are quantized
    carriers: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)  # weighted nodes that the user, or their type, keeps in float
    left: set[str] = field(default_factory=set)  # all nodes that the user keeps in float, or the runtime needs so
    readers: dict[str, list[tuple[str, int]]] = field(default_factory=dict)  # tensor -> (node, input number)
    groups: list[tuple[str, ...]] = field(default_factory=list)  # quantized tensors of one scale, at least two
    pictures: set[str] = field(default_factory=set)  # tensors that hold the input's own values, moved at most

    @property
    def tensors(self) -> tuple[str, ...]:
        """The quantized tensors, in the order of the graph."""
        return tuple(self.readers)

    def leaves(self, node: NodeProto) -> bool:
        """Whether `node` stays in floating point: it is the head's, or is left so."""
        return node.name in self.left or (not self.whole and node in self.head)


def plan(graph: Graph, keep: Keep = lambda _: False, *, whole: bool = False) -> Placement:
    """Decide what is quantized; `keep` tells of a node whether it stays in floating point.

    `whole` quantizes the head too, decoding included: it shows the collapse that the rule prevents.
    """
    head = find(graph)
    placement = Placement(Head(frozenset(), head.decode) if whole else head, whole)
    placement.left = {node.name for node in graph.nodes if keep(node)} | _before_bodies(graph)
    floats = _float_tensors(graph)
    sharing = _Sharing()

    def free(node: NodeProto) -> bool:
        return not placement.leaves(node)

    feeds = _feeding(graph, free)
    for node in graph.nodes:
        if graph.weight_axis(node) is not None:
            if free(node):
                placement.layers.append(node.name)
                _read(placement, node, [0])
            elif whole or node not in head:
                placement.kept.append(node.name)
        elif node.op_type in TRANSPARENT and free(node):
            sharing.join([node.input[0], *node.output])
        elif carries(graph, node) and free(node) and (whole or any(name in feeds for name in node.output)):
            quantized = _carried(graph, node)
            if not all(node.input[i] in floats for i in quantized):
                continue
            placement.carriers.append(node.name)
            _read(placement, node, quantized)
            joined = [node.input[i] for i in quantized]
            sharing.join(joined if node.op_type == "Add" else [*joined, *node.output])
    placement.groups = sharing.groups(placement.readers)
    placement.pictures = _pictures(graph)
    return placement


def carries(graph: Graph, node: NodeProto) -> bool:
    """Whether the node only joins or moves values, so that its inputs may share one scale with its output."""
    if node.op_type not in CARRIERS or (node.op_type == "Resize" and attribute(node, "mode", "nearest") != "nearest"):
        return False
    return all(name not in graph.initializers for name in moved(node))


def moved(node: NodeProto) -> list[str]:
    """Return the inputs of a carrier or a transparent node that hold its values, and not where they go."""
    return list(node.input if node.op_type in {"Concat", "Add"} else node.input[:1])


def depthwise(graph: Graph) -> dict[str, str]:
    """Return the convolutions that take each channel by itself, and the tensor that each reads."""
    return {
        node.name: node.input[0]
        for node in graph.nodes
        if node.op_type == "Conv"
        and graph.weight_axis(node) is not None
        and attribute(node, "group", 1) != 1
        and graph.initializers[node.input[1]].dims[1] == 1
    }


def _carried(graph: Graph, node: NodeProto) -> list[int]:
    """Return the numbers of the inputs to quantize.

    Of an Add that ends a convolution without activation, only the other input: TensorRT then adds inside the
    convolution's kernel, in full precision.
    """
    inputs = range(len(moved(node)))
    if node.op_type != "Add":
        return list(inputs)
    plain = [i for i in inputs if _ends_in_layer(graph, node.input[i])]
    return [i for i in inputs if i != plain[0]] if len(plain) == 1 else list(inputs)


def _ends_in_layer(graph: Graph, tensor: str) -> bool:
    maker = graph.producer.get(tensor)
    return maker is not None and graph.weight_axis(maker) is not None and len(graph.consumers[tensor]) == 1


def _feeding(graph: Graph, free: Keep) -> set[str]:
    """Return the tensors that reach a quantized layer through carriers and transparent nodes alone."""
    feeds: set[str] = set()
    for node in reversed(graph.nodes):
        if not free(node):
            continue
        if graph.weight_axis(node) is not None:
            feeds.add(node.input[0])
        elif (node.op_type in TRANSPARENT or carries(graph, node)) and any(name in feeds for name in node.output):
            feeds.update(moved(node))
        elif node.op_type == "Relu" and node.output[0] in feeds:
            feeds.add(node.input[0])  # ResNet: Add, then Relu, then the next layer
    return feeds


def _before_bodies(graph: Graph) -> set[str]:
    """Return the nodes that move values to where a branch or a loop body takes them from outside.

    ONNX Runtime (1.31) passes a DequantizeLinear on through such nodes, and aborts where a body reads the last.
    """
    taken = {name for node in graph.nodes for name in captured(node)}
    found = set()
    for node in reversed(graph.nodes):
        if node.op_type in TRANSPARENT | {"MaxPool"} and not taken.isdisjoint(node.output):
            found.add(node.name)
            taken.add(node.input[0])
    return found


def _pictures(graph: Graph) -> set[str]:
    found = set(graph.inputs)
    for node in graph.nodes:
        sources = graph.activations(node)
        if (node.op_type in TRANSPARENT or node.op_type == "Concat") and sources and found.issuperset(sources):
            found.update(node.output)
    return found


def _read(placement: Placement, node: NodeProto, inputs: Iterable[int]) -> None:
    for i in inputs:
        placement.readers.setdefault(node.input[i], []).append((node.name, i))


def _float_tensors(graph: Graph) -> set[str]:
    """Return the tensors that are float32, as inferred, but for single numbers: TensorRT does not quantize those."""
    values = [*graph.model.graph.value_info, *graph.model.graph.input, *graph.model.graph.output]
    kinds = {value.name: value.type.tensor_type for value in values}
    return {
        name
        for name, kind in kinds.items()
        if kind.elem_type == TensorProto.FLOAT and (kind.shape.dim or not kind.HasField("shape"))
    }


class _Sharing:
    """Union-find over tensor names."""

    def __init__(self) -> None:
        self._parent: dict[str, str] = {}

    def join(self, names: Iterable[str]) -> None:
        first, *rest = filter(None, names)
        for name in rest:
            self._parent[self._root(name)] = self._root(first)

    def groups(self, names: Iterable[str]) -> list[tuple[str, ...]]:
        found: dict[str, list[str]] = {}
        for name in names:
            found.setdefault(self._root(name), []).append(name)
        return [tuple(group) for group in found.values() if len(group) > 1]

    def _root(self, name: str) -> str:
        self._parent.setdefault(name, name)
        while self._parent[name] != name:
            self._parent[name] = self._parent[self._parent[name]]
            name = self._parent[name]
        return name
