"""Windows of pictures and of activations: as good to learn from as the whole, and a fraction of the work.

The float and the quantized network see the same window, and both take what lies around it as zero, so what they are
compared on is one problem. Only what answers every place alike can be cut: networks of convolutions, poolings and the
arithmetic between them, whose inputs are all of one height and width.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from onnx import NodeProto
from torch import Tensor

from streamd.int8.graph import Graph, attribute
from streamd.int8.refine.network import Network
from streamd.int8.session import Array

LOCAL = {
    "Add", "AveragePool", "BatchNormalization", "Clip", "Concat", "Conv", "ConvTranspose", "Div", "Elu", "Gelu",
    "HardSigmoid", "HardSwish", "Identity", "LeakyRelu", "MaxPool", "Mish", "Mul", "Neg", "PRelu", "Relu", "Resize",
    "Sigmoid", "Slice", "Softplus", "Split", "Sub", "Tanh",
}  # fmt: skip
BY_CHANNEL = {"BatchNormalization", "Clip", "Conv", "ConvTranspose", "Split"}  # whose constants lie along no side
OPEN = np.iinfo(np.int32).max  # an end that exporters write for "to the last"


def able(network: Network, values: Mapping[str, Array]) -> bool:
    """Whether windows of `values`, what the network is fed, can stand for the whole."""
    shapes = {values[name].shape[2:] for name in network.inputs}
    local = all(node.op_type in LOCAL and _everywhere(network.graph, node) for node in network.nodes)
    return local and len(shapes) == 1 and len(shapes.pop()) == 2


def _everywhere(graph: Graph, node: NodeProto) -> bool:
    """Whether the node names no place and no size: no grid of positions, no cut at a row, nothing resized to a side."""
    if node.op_type == "Resize":
        return not any(node.input[3:4])  # sizes
    if node.op_type in {"Concat", "Split"} and attribute(node, "axis", 0) not in {1, -3}:
        return False
    if node.op_type == "Slice":
        return _cut_anywhere(graph, node)
    if node.op_type in BY_CHANNEL:
        return True
    constants = [graph.constant(name) for name in node.input]
    return all(side == 1 for one in constants if one is not None for side in one.shape[-2:])


def _cut_anywhere(graph: Graph, node: NodeProto) -> bool:
    """Whether a Slice takes channels, or every n-th row and column from the first n on to the end."""
    found = [graph.constant(name) for name in node.input[1:]]
    given = [one for one in found if one is not None]
    if len(given) < len(found):
        return False
    usual: list[Array] = [np.arange(4), np.ones(4, np.int64)]  # axes and steps
    return all(
        axis in {1, -3} or (axis not in {0, -4} and 0 <= start < step and end >= OPEN)
        for start, end, axis, step in zip(*given, *usual[len(given) - 2 :], strict=False)
    )


def drawn(
    sides: Sequence[int], count: int, size: int, random: np.random.Generator, step: int = 1
) -> list[tuple[slice, ...]]:
    """Return `count` windows of `size` (at most the whole of `sides`) at random places that `step` divides."""
    windows = []
    for _ in range(count):
        starts = [step * int(random.integers(max(side - size, 0) // step + 1)) for side in sides]
        windows.append(tuple(slice(start, start + size) for start in starts))
    return windows


class Held:
    """Pictures, each a tensor by name, on the device if they take at most half of what is free there."""

    def __init__(
        self, pictures: Sequence[Mapping[str, Array]], names: Sequence[str], device: "torch.device | str"
    ) -> None:
        self._device = torch.device(device)
        self._rows = [{name: torch.from_numpy(one[name]) for name in names} for one in pictures]
        if sum(value.nbytes for row in self._rows for value in row.values()) <= _room(self._device):
            self._rows = [{name: value.to(self._device) for name, value in row.items()} for row in self._rows]

    def stacked(self, chosen: Sequence[int], windows: Sequence[tuple[slice, ...]]) -> dict[str, Tensor]:
        """Return tensors (N, ...) of the `chosen` pictures, each cut to its window; no windows: whole."""
        made = {}
        for name in self._rows[0]:
            rows = [self._rows[i][name] for i in chosen]
            if windows:
                rows = [row[:, :, *window] for row, window in zip(rows, windows, strict=True)]
            made[name] = torch.cat(rows).to(self._device)
        return made


def _room(device: torch.device) -> int:
    """Return the bytes that may be taken on `device`; nothing is copied to where it is already."""
    if device.type != "cuda":
        return 0
    free, _ = torch.cuda.mem_get_info(device)
    return int(free) // 2
