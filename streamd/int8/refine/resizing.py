"""ONNX's Resize in torch: nearest and linear, axis by axis, with every way of mapping positions that exporters use.

Formulas: the specification of Resize, opset 19.
"""

from collections.abc import Callable

import torch
from onnx import NodeProto
from torch import Tensor

from streamd.errors import ModelError
from streamd.int8.graph import attribute

NEAREST: dict[str, Callable[[Tensor], Tensor]] = {
    "round_prefer_floor": lambda x: torch.ceil(x - 0.5),
    "round_prefer_ceil": lambda x: torch.floor(x + 0.5),
    "floor": torch.floor,
    "ceil": torch.ceil,
}


def resize(node: NodeProto) -> Callable[..., Tensor]:
    """Return the function of a Resize node: (x, region, scales, sizes) -> tensor.

    Raises:
        ModelError: a mode of it is not known here.
    """
    mode, nearest = str(attribute(node, "mode", "nearest")), str(attribute(node, "nearest_mode", "round_prefer_floor"))
    mapping = str(attribute(node, "coordinate_transformation_mode", "half_pixel"))
    policy = attribute(node, "keep_aspect_ratio_policy", "stretch")
    if mode not in {"nearest", "linear"} or mapping not in POSITIONS or policy != "stretch":
        raise ModelError(
            f"{node.name}: Resize of mode {mode}, {mapping}, {policy} is not among the operators that can be trained",
            mend="export it with nearest or linear resizing",
        )
    if attribute(node, "antialias", 0):
        raise ModelError(f"{node.name}: Resize with antialias cannot be trained", mend="export it without")

    def run(x: Tensor, _: Tensor | None = None, scales: Tensor | None = None, sizes: Tensor | None = None) -> Tensor:
        given: list[float] = (scales if sizes is None and scales is not None else sizes).tolist()  # type: ignore[union-attr]
        axes = attribute(node, "axes", None) or range(x.ndim)
        for axis, value in zip(axes, given, strict=True):  # type: ignore[call-overload]
            before = x.shape[axis]
            after = int(value) if sizes is not None else int(before * value)
            scale = after / before if sizes is not None else value
            if after == before and scale == 1:
                continue
            at = POSITIONS[mapping](torch.arange(after, dtype=torch.float64), scale, before, after)
            x = _taken(x, axis, at.to(x.device), NEAREST[nearest] if mode == "nearest" else None)
        return x

    return run


def _taken(x: Tensor, axis: int, at: Tensor, nearest: Callable[[Tensor], Tensor] | None) -> Tensor:
    last = x.shape[axis] - 1
    if nearest is not None:
        return x.index_select(axis, nearest(at).clamp(0, last).long())
    at = at.clamp(0, last)
    low = at.floor()
    part = (at - low).to(x.dtype).reshape([-1 if i == axis else 1 for i in range(x.ndim)])
    one, other = (x.index_select(axis, index.clamp(0, last).long()) for index in (low, low + 1))
    return torch.lerp(one, other, part.expand_as(one))


POSITIONS: dict[str, Callable[[Tensor, float, int, int], Tensor]] = {
    "half_pixel": lambda i, scale, before, after: (i + 0.5) / scale - 0.5,
    "pytorch_half_pixel": lambda i, scale, before, after: (i + 0.5) / scale - 0.5 if after > 1 else i * 0,
    "asymmetric": lambda i, scale, before, after: i / scale,
    "align_corners": lambda i, scale, before, after: i * ((before - 1) / (after - 1)) if after > 1 else i * 0,
}
