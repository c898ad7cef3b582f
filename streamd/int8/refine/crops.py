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


def stacked(
    pictures: Sequence[Mapping[str, Array]],
    names: Sequence[str],
    chosen: Sequence[int],
    windows: Sequence[tuple[slice, ...]],
    device: "torch.device | str",
) -> dict[str, Tensor]:
    """Return tensors (N, ...) of the `chosen` pictures, each cut to its window; no windows: whole."""
    made = {}
    for name in names:
        rows = [pictures[i][name] for i in chosen]
        if windows:
            rows = [row[:, :, *window] for row, window in zip(rows, windows, strict=True)]
        made[name] = torch.from_numpy(np.concatenate(rows)).to(device)
    return made
