"""A network under quantization-aware training: its weights, biases and scales as parameters, and back to numbers.

It starts as plain quantization left it. The layers that stay in float, the head among them, are not trained. Tensors
that share a scale share the parameter. Scales are trained as logarithms, weights and biases as what is added to them in
units of their own (units.py), so that one learning rate fits all.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor

from streamd.frames import F32
from streamd.int8.graph import Array, Graph
from streamd.int8.placement import Placement
from streamd.int8.refine.fake import along, as_half, quantized
from streamd.int8.refine.network import Network
from streamd.int8.scales import I8, TOP, WIDEST_BIAS, Scales, quantize_weight, rounded

Parameters = dict[str, Tensor]


class Student:
    """`network` with parameters that begin at `scales`; `learn_scales` lets them move too.

    `units` has for layers the unit of their weight and that of their bias; what it lacks is trained as it is.
    """

    def __init__(
        self,
        network: Network,
        placement: Placement,
        scales: Scales,
        units: Mapping[str, tuple[Tensor, Tensor]] | None = None,
        *,
        learn_scales: bool = True,
    ) -> None:
        self._network, self._scales = network, scales
        self._axes = {node.name: network.graph.weight_axis(node) or 0 for node in network.layers}
        self.layers = tuple(node for node in network.layers if node.input[0] in scales.activations)
        self._shared = {name: group[0] for group in placement.groups for name in group}
        biases = {node.name: network.bias(node.name) for node in self.layers}
        self._weights = {node.name: network.weight(node.name) for node in self.layers}
        self._biases = {name: bias for name, bias in biases.items() if bias is not None}
        self._units = units or {}
        self.weights: Parameters = {name: torch.zeros_like(value) for name, value in self._weights.items()}
        self.biases: Parameters = {name: torch.zeros_like(value) for name, value in self._biases.items()}
        roots = {self._root(name): name for name in reversed(network.pairs) if name in scales.activations}
        self._numbers = {root: i for i, root in enumerate(roots)}
        first = [scales.activations[name] for name in roots.values()]
        self.logs = torch.tensor(first, device=network.device).log()
        own = [torch.from_numpy(_weight_scale(network.graph, node, scales)) for node in self.layers]
        self._sizes = [len(one) for one in own]
        self.weight_logs = torch.cat(own or [torch.ones(0)]).to(network.device).log()
        self.values = [*self.weights.values(), *self.biases.values()]
        self.steps = [self.logs, self.weight_logs] if learn_scales else []
        for one in (*self.values, *self.steps):
            one.requires_grad_()

    def run(self, feeds: dict[str, Tensor]) -> dict[str, Tensor]:
        """Run the network as the Q/DQ file would."""
        shared = as_half(self.logs.exp()).unbind()
        numbers = {name: self._numbers.get(self._root(name)) for name in self._network.pairs}
        scales = {name: shared[i] for name, i in numbers.items() if i is not None}
        own = as_half(self.weight_logs.exp()).split(self._sizes)
        moved = self._now(self._weights, self.weights, 0)
        weights = {
            name: quantized(weight, along(scale, self._axes[name], weight.ndim), -TOP, TOP)
            for (name, weight), scale in zip(moved.items(), own, strict=True)
        }
        return self._network.run(feeds, scales, weights, self._now(self._biases, self.biases, 1))

    @property
    def parameters(self) -> list[Tensor]:
        """All that is trained, weights and biases first."""
        return [*self.values, *self.steps]

    def written(self, graph: Graph) -> tuple[Graph, Scales]:
        """Return a copy of `graph` with what was learned, and the scales; together they are what a writer takes."""
        made = _copy(graph)
        weights, biases = self._now(self._weights, self.weights, 0), self._now(self._biases, self.biases, 1)
        scales = Scales(dict(self._scales.activations), dict(self._scales.bounds), {}, list(self._scales.remarks))
        shared, own = (
            _array(self.logs.exp()),
            dict(zip(weights, self.weight_logs.exp().split(self._sizes), strict=True)),
        )
        for name in scales.activations:
            number = self._numbers.get(self._root(name))
            if number is not None:
                scales.activations[name] = rounded(float(shared[number]))
        for node in made.nodes:
            if node.name not in weights:
                continue
            weight = _array(weights[node.name])
            bias = _array(biases[node.name]) if node.name in biases else None
            _replace(made, node, 1, weight)
            if bias is not None:
                _replace(made, node, 2, bias)
            scales.weights[node.name] = coded(
                weight, self._axes[node.name], _array(own[node.name]), bias, scales.activations[node.input[0]]
            )
        made.index()
        return made, scales

    def _root(self, name: str) -> str:
        """Return the tensor whose scale `name` has."""
        return self._shared.get(name, name)

    def _now(self, first: Parameters, moved: Parameters, which: int) -> Parameters:
        """Return weights (0) or biases (1) as they are now: as they were at `first`, and how far they `moved`."""
        units = {name: both[which] for name, both in self._units.items()}
        return {
            name: torch.addcmul(value, moved[name], units[name]) if name in units else value + moved[name]
            for name, value in first.items()
        }


def coded(weight: Array, axis: int, scale: F32, bias: Array | None, input_scale: float) -> tuple[I8, F32]:
    """Return the codes of `weight` at `scale`, made larger where the bias would not fit into int32."""
    wide = np.asarray(scale, np.float64)
    if bias is not None and bias.size == wide.size:
        wide = np.maximum(wide, np.abs(bias.ravel()) / (input_scale * WIDEST_BIAS))
    own = np.array([rounded(float(one)) for one in wide], np.float32)
    codes = np.rint(weight / own.reshape([-1 if i == axis else 1 for i in range(weight.ndim)]))
    return np.clip(codes, -TOP, TOP).astype(np.int8), own


def _weight_scale(graph: Graph, node: onnx.NodeProto, scales: Scales) -> F32:
    known = scales.weights.get(node.name)
    if known is not None:
        return known[1]
    weight, axis = graph.constant(node.input[1]), graph.weight_axis(node)
    assert weight is not None
    assert axis is not None
    bias = graph.constant(node.input[2]) if len(node.input) > 2 and node.input[2] else None
    return quantize_weight(weight, axis, bias, scales.activations[node.input[0]])[1]


def _copy(graph: Graph) -> Graph:
    model = onnx.ModelProto()
    model.CopyFrom(graph.model)
    return Graph(model, graph.name, graph.sha256)


def _replace(graph: Graph, node: onnx.NodeProto, i: int, value: Array) -> None:
    name = f"{node.name}/{('input', 'weight', 'bias')[i]}/trained"
    graph.model.graph.initializer.append(numpy_helper.from_array(np.ascontiguousarray(value, np.float32), name))
    node.input[i] = name


def _array(value: Tensor) -> F32:
    return np.asarray(value.detach().cpu().numpy(), np.float32)


def averages(parameters: Sequence[Tensor]) -> list[Tensor]:
    """Return copies, to hold a moving average in."""
    return [one.detach().clone() for one in parameters]
