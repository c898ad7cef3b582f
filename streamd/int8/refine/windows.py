"""Convolutions and poolings of ONNX in torch, with every kind of border."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from onnx import NodeProto
from torch import Tensor
from torch.nn import functional

from streamd.int8.graph import attribute
from streamd.int8.refine.attributes import ints, number, refused

Function = Callable[..., Any]  # tensors -> a tensor, or a tuple of them
CONVOLUTIONS = {1: functional.conv1d, 2: functional.conv2d, 3: functional.conv3d}
TRANSPOSED = {1: functional.conv_transpose1d, 2: functional.conv_transpose2d, 3: functional.conv_transpose3d}
MAXIMA = {1: functional.max_pool1d, 2: functional.max_pool2d, 3: functional.max_pool3d}
MEANS = {1: functional.avg_pool1d, 2: functional.avg_pool2d, 3: functional.avg_pool3d}


def _conv(node: NodeProto) -> Function:
    group, told = int(number(node, "group", 1)), attribute(node, "auto_pad", "NOTSET") == "NOTSET"
    given = [
        ints(node, name, []) for name in ("strides", "dilations", "pads")
    ]  # read once: it takes longer than to run

    def run(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        n = weight.ndim - 2
        strides, dilations, pads = (one or [default] * n for one, default in zip(given, (1, 1, 0), strict=True))
        if told and pads[:n] == pads[n:]:
            return CONVOLUTIONS[n](x, weight, bias, strides, pads[:n], dilations, group)
        return CONVOLUTIONS[n](_padded(node, x, weight.shape[2:], 0.0), weight, bias, strides, 0, dilations, group)

    return run


def _conv_transpose(node: NodeProto) -> Function:
    if attribute(node, "auto_pad", "NOTSET") != "NOTSET" or attribute(node, "output_shape", None):
        raise refused(node, "with auto_pad or output_shape is not known")
    group = int(number(node, "group", 1))

    def run(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        n = weight.ndim - 2
        strides, dilations = ints(node, "strides", [1] * n), ints(node, "dilations", [1] * n)
        pads, extra = ints(node, "pads", [0] * (2 * n)), ints(node, "output_padding", [0] * n)
        y = TRANSPOSED[n](x, weight, bias, strides, 0, extra, group, dilations)
        for axis in range(n):
            y = y.narrow(axis + 2, pads[axis], y.shape[axis + 2] - pads[axis] - pads[axis + n])
        return y

    return run


def _max_pool(node: NodeProto) -> Function:
    kernel = ints(node, "kernel_shape", [])
    n, ceil = len(kernel), bool(attribute(node, "ceil_mode", 0))
    strides, dilations = ints(node, "strides", [1] * n), ints(node, "dilations", [1] * n)
    if len(node.output) > 1:
        raise refused(node, "with a second output is not known")

    def run(x: Tensor) -> Tensor:
        return MAXIMA[n](_padded(node, x, kernel, -torch.inf), kernel, strides, 0, dilations, ceil)

    return run


def _average_pool(node: NodeProto) -> Function:
    kernel = ints(node, "kernel_shape", [])
    n, include = len(kernel), attribute(node, "count_include_pad", 0)
    strides = ints(node, "strides", [1] * n)
    if attribute(node, "ceil_mode", 0) or any(one != 1 for one in ints(node, "dilations", [1] * n)):
        raise refused(node, "with ceil_mode or dilations is not known")

    def run(x: Tensor) -> Tensor:
        mean = MEANS[n](_padded(node, x, kernel, 0.0), kernel, strides)
        if include:
            return mean
        return mean / MEANS[n](_padded(node, torch.ones_like(x[:1, :1]), kernel, 0.0), kernel, strides)

    return run


def _padded(node: NodeProto, x: Tensor, kernel: Sequence[int], value: float) -> Tensor:
    """Return `x` with the borders that a convolution or pooling asks for."""
    mode, n = attribute(node, "auto_pad", "NOTSET"), len(kernel)
    if mode in {"SAME_UPPER", "SAME_LOWER"}:
        strides, dilations = ints(node, "strides", [1] * n), ints(node, "dilations", [1] * n)
        sides = zip(x.shape[2:], kernel, strides, dilations, strict=True)
        lacking = [max((-(-size // s) - 1) * s + (k - 1) * d + 1 - size, 0) for size, k, s, d in sides]
        fewer, more = [one // 2 for one in lacking], [-(-one // 2) for one in lacking]
        pads = [*fewer, *more] if mode == "SAME_UPPER" else [*more, *fewer]
    else:
        pads = [0] * (2 * n) if mode == "VALID" else ints(node, "pads", [0] * (2 * n))
    if not any(pads):
        return x
    return functional.pad(x, [pads[axis + n * end] for axis in reversed(range(n)) for end in (0, 1)], value=value)


MAKERS = {
    "AveragePool": _average_pool,
    "Conv": _conv,
    "ConvTranspose": _conv_transpose,
    "MaxPool": _max_pool,
}
