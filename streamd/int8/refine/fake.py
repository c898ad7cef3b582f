"""Quantization in floating point, with gradients: what rounding and clipping do, and a slope where they have none.

Rounding passes gradients straight through (Bengio et al. 2013, arXiv 1308.3432), clipping stops them. The gradient of
a scale follows from that alone and is the one of LSQ (Esser et al. 2020, arXiv 1902.08153, equation 3): round(x / s) -
x / s inside, the end of the range outside.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from streamd.int8.scales import LARGEST, SMALLEST, TOP


def quantized(x: Tensor, scale: Tensor, low: int = -TOP - 1, high: int = TOP) -> Tensor:
    """Return clip(round(x / scale), low, high) * scale; rounds halves to even."""
    return straight_through(torch.clamp(x / scale, low, high)) * scale


def straight_through(x: Tensor) -> Tensor:
    """Return `x` rounded, with the gradient of `x`."""
    if not x.requires_grad:
        return x.round()
    return x + (x.round() - x).detach()


def as_half(scale: Tensor) -> Tensor:
    """Return `scale` as it will be written (scales.rounded), with its own gradient."""
    half = scale.detach().clamp(max=LARGEST).half().to(scale.dtype)
    written = torch.where(scale.detach() < SMALLEST, scale.detach(), half)
    return scale + (written - scale).detach()


def along(scale: Tensor, axis: int, rank: int) -> Tensor:
    """Return a scale for each index of `axis`, shaped to be multiplied with a weight of `rank` axes."""
    return scale.reshape([-1 if i == axis else 1 for i in range(rank)])


def columns(shape: Sequence[int], axis: int) -> tuple[int, ...]:
    """Return the axes of a weight other than that of its output channels."""
    return tuple(i for i in range(len(shape)) if i != axis)
