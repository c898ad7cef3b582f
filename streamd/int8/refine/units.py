"""How far one step of training may move a weight: as far as matters to the layer, however its channels are spread.

The optimizer (Adam) moves every parameter by about its learning rate, whatever the gradient. One rate for all weights
of a model is fair only where they are of one size. Where channel ranges lie far apart it is ruin for some and a
standstill for others. So a weight is trained in units of

    u[o, i] = spread of output channel o / (size of input channel i * sqrt(inputs summed up by o))

which are the size of the weight that the layer would have were all inputs alike, and a bias in units of the spread of
its channel. A channel multiplied by any factor, and divided by it in what reads it, then trains as before: every step
is the same function of the picture. No unit exceeds the largest weight of its output channel, as inputs that are
always near zero would call for any.

This is ours; that learning rates should follow the size of weights is You et al. 2017, arXiv 1708.03888.
"""

from collections.abc import Mapping, Sequence

import torch
from onnx import NodeProto
from torch import Tensor

from streamd.int8.graph import Graph, attribute
from streamd.int8.placement import Placement
from streamd.int8.refine.fake import along, columns
from streamd.int8.refine.network import Network

Moments = dict[str, tuple[Tensor, Tensor]]  # tensor -> mean and mean square of each channel
FAINT = 1e-6  # of the largest channel: what is smaller counts as much


def units(
    graph: Graph, placement: Placement, layers: Sequence[NodeProto], feeds: Sequence[Mapping[str, Tensor]]
) -> dict[str, tuple[Tensor, Tensor]]:
    """Return for each of `layers` the unit of every weight, of the weight's shape, and of every bias (C,).

    `feeds` are what the model is fed; it is run on each in turn, in float.
    """
    names = tuple(dict.fromkeys(name for node in layers for name in (node.input[0], node.output[0])))
    device = next(iter(feeds[0].values())).device
    network = Network(graph, names, placement, device)
    axes = {
        name: axis for node in layers for name, axis in zip((node.input[0], node.output[0]), _axes(node), strict=True)
    }
    seen = _moments(network, axes, feeds)
    return {node.name: _of_layer(network, node, seen) for node in layers}


def _of_layer(network: Network, node: NodeProto, seen: Moments) -> tuple[Tensor, Tensor]:
    weight, axis = network.weight(node.name), network.graph.weight_axis(node) or 0
    mean, square = seen[node.output[0]]
    spread = _floored((square - mean.square()).clamp(min=0).sqrt())
    size = _floored(seen[node.input[0]][1].sqrt())
    count = weight.numel() // weight.shape[axis]
    sizes = _of_inputs(node, weight, axis, size)
    rows = spread.reshape(-1, weight.shape[axis]).amax(0)  # a grouped ConvTranspose has one row for all groups
    unit = along(rows, axis, weight.ndim) / (sizes * count**0.5)
    largest = weight.abs().amax(columns(weight.shape, axis), keepdim=True)
    return torch.minimum(unit.expand_as(weight), largest.clamp(min=1e-30)).contiguous(), spread


def _of_inputs(node: NodeProto, weight: Tensor, axis: int, size: Tensor) -> Tensor:
    """Return the sizes (channels,) of a layer's inputs, shaped to divide its weight by."""
    groups = int(str(attribute(node, "group", 1)))
    if node.op_type == "Conv" and groups > 1:
        rows = size.reshape(groups, 1, -1).expand(groups, weight.shape[0] // groups, weight.shape[1])
        return rows.reshape(*weight.shape[:2], *[1] * (weight.ndim - 2))
    return along(
        size, {"Conv": 1, "ConvTranspose": 0, "MatMul": weight.ndim - 2}.get(node.op_type, 1 - axis), weight.ndim
    )


def _axes(node: NodeProto) -> tuple[int, int]:
    """Return the axes of channels of what a layer reads, and of what it gives."""
    if node.op_type == "MatMul":
        return -1, -1
    return 0 if attribute(node, "transA", 0) else 1, 1


def _moments(network: Network, axes: Mapping[str, int], feeds: Sequence[Mapping[str, Tensor]]) -> Moments:
    seen: Moments = {}
    with torch.no_grad():
        for feed in feeds:
            for name, value in network.run(dict(feed)).items():
                others = [i for i in range(value.ndim) if i != axes[name] % value.ndim]
                mean, square = value.mean(others) / len(feeds), value.square().mean(others) / len(feeds)
                before = seen.get(name, (torch.zeros_like(mean), torch.zeros_like(mean)))
                seen[name] = before[0] + mean, before[1] + square
    return seen


def _floored(values: Tensor) -> Tensor:
    return values.clamp(min=max(float(values.max()) * FAINT, 1e-30))
