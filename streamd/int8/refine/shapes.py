"""ONNX operators in torch that move values and compute none."""

from collections.abc import Callable
from typing import Any

import torch
from onnx import NodeProto
from torch import Tensor
from torch.nn import functional

from streamd.int8.graph import attribute
from streamd.int8.refine.attributes import ints, number, refused

Function = Callable[..., Any]  # tensors -> a tensor, or a tuple of them


def _split(node: NodeProto) -> Function:
    axis, parts = int(number(node, "axis", 0)), len(node.output)

    def run(x: Tensor, sizes: Tensor | None = None) -> tuple[Tensor, ...]:
        lengths = -(-x.shape[axis] // parts) if sizes is None else sizes.tolist()
        return tuple(x.split(lengths, axis))

    return run


def _sliced(node: NodeProto) -> Function:
    def run(x: Tensor, starts: Tensor, ends: Tensor, axes: Tensor | None = None, steps: Tensor | None = None) -> Tensor:
        first, last = starts.tolist(), ends.tolist()
        along = list(range(len(first))) if axes is None else axes.tolist()
        by = [1] * len(first) if steps is None else steps.tolist()
        if min(by) < 1:
            raise refused(node, "with a negative step is not known")
        index = [slice(None)] * x.ndim
        for axis, begin, end, step in zip(along, first, last, by, strict=True):
            index[axis] = slice(begin, end, step)
        return x[tuple(index)]

    return run


def _reshape(node: NodeProto) -> Function:
    allow_zero = attribute(node, "allowzero", 0)

    def run(x: Tensor, shape: Tensor) -> Tensor:
        sides = [x.shape[i] if side == 0 and not allow_zero else side for i, side in enumerate(shape.tolist())]
        return x.reshape(sides)

    return run


def _transpose(node: NodeProto) -> Function:
    order = ints(node, "perm", [])
    return lambda x: x.permute(order or list(reversed(range(x.ndim))))


def _flatten(node: NodeProto) -> Function:
    axis = int(number(node, "axis", 1))
    return lambda x: x.reshape(x.shape[:axis].numel(), -1)


def _squeeze(_: NodeProto) -> Function:
    return lambda x, axes=None: x.squeeze() if axes is None else x.squeeze(tuple(axes.tolist()))


def _unsqueeze(_: NodeProto) -> Function:
    def run(x: Tensor, axes: Tensor) -> Tensor:
        rank = x.ndim + axes.numel()
        for axis in sorted(one % rank for one in axes.tolist()):
            x = x.unsqueeze(axis)
        return x

    return run


def _pad(node: NodeProto) -> Function:
    if attribute(node, "mode", "constant") != "constant":
        raise refused(node, f"of mode {attribute(node, 'mode', '')} is not known")

    def run(x: Tensor, pads: Tensor, value: Tensor | None = None, axes: Tensor | None = None) -> Tensor:
        along = list(range(x.ndim)) if axes is None else [one % x.ndim for one in axes.tolist()]
        begins, ends = pads.tolist()[: len(along)], pads.tolist()[len(along) :]
        sides = [(0, 0)] * x.ndim
        for axis, begin, end in zip(along, begins, ends, strict=True):
            sides[axis] = (begin, end)
        flat = [one for side in reversed(sides) for one in side]
        return functional.pad(x, flat, value=0.0 if value is None else float(value))

    return run


def _depth_to_space(node: NodeProto) -> Function:
    block, mode = int(number(node, "blocksize", 1)), attribute(node, "mode", "DCR")

    def run(x: Tensor) -> Tensor:
        if mode == "CRD":
            return functional.pixel_shuffle(x, block)
        n, c, h, w = x.shape
        parts = x.reshape(n, block, block, c // block**2, h, w).permute(0, 3, 4, 1, 5, 2)
        return parts.reshape(n, c // block**2, h * block, w * block)

    return run


def _space_to_depth(node: NodeProto) -> Function:
    block = int(number(node, "blocksize", 1))

    def run(x: Tensor) -> Tensor:
        n, c, h, w = x.shape
        parts = x.reshape(n, c, h // block, block, w // block, block).permute(0, 3, 5, 1, 2, 4)
        return parts.reshape(n, c * block**2, h // block, w // block)

    return run


def _gather(node: NodeProto) -> Function:
    axis = int(number(node, "axis", 0))

    def run(x: Tensor, index: Tensor) -> Tensor:
        where = torch.where(index < 0, index + x.shape[axis], index)
        taken = x.index_select(axis, where.reshape(-1).to(x.device))
        along = axis % x.ndim
        return taken.reshape(*x.shape[:along], *index.shape, *x.shape[along + 1 :])

    return run


MAKERS = {
    "DepthToSpace": _depth_to_space,
    "Flatten": _flatten,
    "Gather": _gather,
    "Pad": _pad,
    "Reshape": _reshape,
    "Slice": _sliced,
    "SpaceToDepth": _space_to_depth,
    "Split": _split,
    "Squeeze": _squeeze,
    "Transpose": _transpose,
    "Unsqueeze": _unsqueeze,
}
