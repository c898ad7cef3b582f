"""Windows of pictures and of activations: as good to learn from as the whole, and a fraction of the work.

The float and the quantized network see the same window, and both take what lies around it as zero, so what they are
compared on is one problem. Only what answers every place alike can be cut: networks of convolutions, poolings and the
arithmetic between them, whose inputs are all of one height and width.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from streamd.int8.refine.network import Network
from streamd.int8.session import Array

LOCAL = {
    "Add", "AveragePool", "BatchNormalization", "Clip", "Concat", "Conv", "ConvTranspose", "Div", "Elu", "Gelu",
    "HardSigmoid", "HardSwish", "Identity", "LeakyRelu", "MaxPool", "Mish", "Mul", "Neg", "PRelu", "Relu", "Resize",
    "Sigmoid", "Slice", "Softplus", "Split", "Sub", "Tanh",
}  # fmt: skip


def able(network: Network, values: Mapping[str, Array]) -> bool:
    """Whether windows of `values`, what the network is fed, can stand for the whole."""
    shapes = {values[name].shape[2:] for name in network.inputs}
    local = all(node.op_type in LOCAL for node in network.nodes)
    return local and len(shapes) == 1 and len(shapes.pop()) == 2


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
