"""A graph run by torch, in float or as its Q/DQ file would run: the same pairs, scales and weights, and gradients.

It knows nothing of training: whoever runs it says what scales, weights and biases are.
"""

from collections.abc import Mapping, Sequence

import torch
from onnx import NodeProto, TensorProto
from torch import Tensor

from streamd.errors import ModelError
from streamd.int8.bodies import bodies, living
from streamd.int8.graph import Graph
from streamd.int8.placement import Placement
from streamd.int8.refine.attributes import refused
from streamd.int8.refine.fake import quantized
from streamd.int8.refine.operators import Function, function

SHAPE_AT = {"Reshape": 1, "Resize": 3}  # which input says what shape is made
SHAPES = {TensorProto.INT32, TensorProto.INT64}  # of what is fed a stretch after it was computed of one picture
ON_HOST = {"Resize"}  # whose constants say where things go, and are read one by one


class Network:
    """`graph` as far as `outputs` need it, with the pairs of `placement`."""

    def __init__(
        self, graph: Graph, outputs: Sequence[str], placement: Placement, device: "torch.device | str" = "cpu"
    ) -> None:
        """Make ready to run.

        Raises:
            ModelError: an operator is not known (operators.py).
        """
        self.graph, self.outputs, self.device = graph, tuple(outputs), torch.device(device)
        self.nodes = living(graph.nodes, outputs)
        unknown = next((node for node in self.nodes if bodies(node)), None)
        if unknown is not None:
            raise refused(unknown, "is a branch or a loop, which cannot be trained")
        self._functions: list[Function] = [function(node) for node in self.nodes]
        names = {node.name for node in self.nodes}
        pairs = [(name, reader) for name, readers in placement.readers.items() for reader in readers]
        self._reads = {reader: name for name, reader in pairs if reader[0] in names}
        self.pairs = tuple(dict.fromkeys(name for name, reader in pairs if reader[0] in names))
        self.layers = tuple(node for node in self.nodes if node.name in set(placement.layers))
        self.inputs = tuple(dict.fromkeys(name for node in self.nodes for name in node.input if self._is_fed(name)))
        self._constants = self._settled()
        self._last = {name: i for i, node in enumerate(self.nodes) for name in node.input}

    def run(
        self,
        feeds: Mapping[str, Tensor],
        scales: Mapping[str, Tensor] | None = None,
        weights: Mapping[str, Tensor] | None = None,
        biases: Mapping[str, Tensor] | None = None,
    ) -> dict[str, Tensor]:
        """Return the outputs by name.

        Tensors in `scales` are quantized for those that read them through a pair; `weights` and `biases` replace
        those of the layers named. Without any this is the float model.
        """
        scales, weights, biases = scales or {}, weights or {}, biases or {}
        values: dict[str, Tensor] = {name: feeds[name] for name in self.inputs}
        rounded: dict[str, Tensor] = {}
        for i, node in enumerate(self.nodes):
            given = [self._read(node.name, k, name, values, rounded, scales) for k, name in enumerate(node.input)]
            if node.name in weights:
                given[1] = weights[node.name]
            if node.name in biases:
                given[2:] = [biases[node.name]]
            made = self._functions[i](*given)
            values |= zip(node.output, made if isinstance(made, tuple) else (made,), strict=False)
            for name in set(node.input):
                if self._last[name] == i and name not in self.outputs:
                    values.pop(name, None)
                    rounded.pop(name, None)
        return {name: values[name] for name in self.outputs}

    def weight(self, layer: str) -> Tensor:
        """Return the weight of a layer, as the graph has it."""
        (node,) = (node for node in self.layers if node.name == layer)
        return self._constants[node.input[1]]

    def bias(self, layer: str) -> Tensor | None:
        """Return the bias of a layer, where it has one that is a constant."""
        (node,) = (node for node in self.layers if node.name == layer)
        return self._constants.get(node.input[2]) if len(node.input) > 2 else None

    @property
    def batches(self) -> bool:
        """Whether several pictures can be run at once, whatever the graph was exported for."""
        fed = [value for value in self.graph.model.graph.input if value.name in self.inputs]
        if any(value.type.tensor_type.elem_type in SHAPES for value in fed) or any(map(self._counts, self.nodes)):
            return False
        fixed = {"Reshape", "Expand"} & {node.op_type for node in self.nodes}
        return not fixed or all(self._is_open(name) for name in self.graph.inputs)

    def _counts(self, node: NodeProto) -> bool:
        """Whether a constant of the node says how many pictures there are."""
        if node.op_type == "Concat":
            joined = [self._constants[name] for name in node.input if name in self._constants]
            return any(one.ndim > 1 for one in joined)  # one of a single axis is a part of a shape
        at = SHAPE_AT.get(node.op_type, len(node.input))
        shape = self._constants.get(node.input[at]) if at < len(node.input) else None
        return shape is not None and shape.numel() > 0 and int(shape[0]) > 0

    def _read(
        self,
        node: str,
        k: int,
        name: str,
        values: dict[str, Tensor],
        rounded: dict[str, Tensor],
        scales: Mapping[str, Tensor],
    ) -> Tensor | None:
        if not name:
            return None
        if name in self._constants:
            return self._constants[name]
        if name not in scales or (node, k) not in self._reads:
            return values[name]
        if name not in rounded:
            rounded[name] = quantized(values[name], scales[name])
        return rounded[name]

    def _is_fed(self, name: str) -> bool:
        made = self.graph.producer.get(name)
        return bool(name) and name not in self.graph.initializers and made is None

    def _is_open(self, name: str) -> bool:
        for value in self.graph.model.graph.input:
            if value.name == name:
                dims = value.type.tensor_type.shape.dim
                return not dims or not dims[0].dim_value
        return True

    def _settled(self) -> dict[str, Tensor]:
        readers: dict[str, set[str]] = {}
        for node in self.nodes:
            for name in node.input:
                if name in self.graph.initializers:
                    readers.setdefault(name, set()).add(node.op_type)
        made = {}
        for name, kinds in readers.items():
            value = torch.from_numpy(_own(self.graph, name))
            made[name] = value if kinds <= ON_HOST or not value.is_floating_point() else value.to(self.device)
        return made


def _own(graph: Graph, name: str) -> "object":
    value = graph.constant(name)
    if value is None:
        raise ModelError(f"{graph.name}: {name} is no constant")
    return value.copy()
