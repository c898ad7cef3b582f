"""ONNX operators in torch: what convolutional detectors and classifiers are made of, so that gradients can be had.

`OPERATORS` has for each a maker: it reads the attributes of a node once and returns the function of its inputs. An
input that is left out is None. What is not here is refused by name.

Source: the operator specifications of ONNX, opset 19 and later.
"""

from collections.abc import Callable
from typing import Any

import torch
from onnx import NodeProto, helper
from torch import Tensor
from torch.nn import functional

from streamd.int8.graph import attribute
from streamd.int8.refine import shapes, windows
from streamd.int8.refine.attributes import ints, number, refused
from streamd.int8.refine.resizing import resize

Function = Callable[..., Any]  # tensors -> a tensor, or a tuple of them
Maker = Callable[[NodeProto], Function]


def function(node: NodeProto) -> Function:
    """Return what computes `node`.

    Raises:
        ModelError: its operator, or a mode of it, is not known here.
    """
    maker = OPERATORS.get(node.op_type) if node.domain in {"", "ai.onnx"} else None
    if maker is None:
        raise refused(node, "is not among the operators that can be trained")
    return maker(node)


def _gemm(node: NodeProto) -> Function:
    alpha, beta = number(node, "alpha", 1.0), number(node, "beta", 1.0)
    turn_a, turn_b = attribute(node, "transA", 0), attribute(node, "transB", 0)

    def run(a: Tensor, b: Tensor, c: Tensor | None = None) -> Tensor:
        product = alpha * ((a.T if turn_a else a) @ (b.T if turn_b else b))
        return product if c is None else product + beta * c

    return run


def _reduced(how: Callable[[Tensor, list[int], bool], Tensor]) -> Maker:
    def make(node: NodeProto) -> Function:
        keep, idle = bool(attribute(node, "keepdims", 1)), bool(attribute(node, "noop_with_empty_axes", 0))
        given = ints(node, "axes", [])

        def run(x: Tensor, axes: Tensor | None = None) -> Tensor:
            chosen = given if axes is None else axes.tolist()
            if not chosen and idle:
                return x
            return how(x, chosen or list(range(x.ndim)), keep)

        return run

    return make


def _clip(_: NodeProto) -> Function:
    return lambda x, low=None, high=None: x if low is None and high is None else torch.clamp(x, low, high)


def _batch_normalization(node: NodeProto) -> Function:
    epsilon = number(node, "epsilon", 1e-5)
    return lambda x, scale, bias, mean, var: functional.batch_norm(x, mean, var, scale, bias, eps=epsilon)


def _cast(node: NodeProto) -> Function:
    kind = torch.from_numpy(helper.tensor_dtype_to_np_dtype(int(number(node, "to", 1))).type([0])).dtype
    return lambda x: x.to(kind)


def _divide(_: NodeProto) -> Function:
    def run(a: Tensor, b: Tensor) -> Tensor:
        return a / b if a.is_floating_point() else torch.div(a, b, rounding_mode="trunc")

    return run


def _with(name: str, default: float, how: Callable[[Tensor, float], Tensor]) -> Maker:
    """Return a maker of an activation with one number."""
    return lambda node: lambda x: how(x, number(node, name, default))


def _plain(how: Function) -> Maker:
    """Return a maker of an operator without attributes."""
    return lambda _: how


def _hard_sigmoid(node: NodeProto) -> Function:
    alpha, beta = number(node, "alpha", 0.2), number(node, "beta", 0.5)
    return lambda x: torch.clamp(alpha * x + beta, 0.0, 1.0)


def _gelu(node: NodeProto) -> Function:
    how = attribute(node, "approximate", "none")
    return lambda x: functional.gelu(x, approximate=how)


OPERATORS: dict[str, Maker] = {
    **windows.MAKERS,
    **shapes.MAKERS,
    "Add": _plain(lambda a, b: a + b),
    "BatchNormalization": _batch_normalization,
    "Cast": _cast,
    "Clip": _clip,
    "Concat": lambda node: lambda *parts: torch.cat(parts, int(number(node, "axis", 0))),
    "Div": _divide,
    "Elu": _with("alpha", 1.0, functional.elu),
    "Erf": _plain(torch.erf),
    "Exp": _plain(torch.exp),
    "Expand": _plain(lambda x, shape: x * torch.ones(shape.tolist(), dtype=x.dtype, device=x.device)),
    "Gelu": _gelu,
    "Gemm": _gemm,
    "GlobalAveragePool": _plain(lambda x: x.mean(tuple(range(2, x.ndim)), keepdim=True)),
    "GlobalMaxPool": _plain(lambda x: x.amax(tuple(range(2, x.ndim)), keepdim=True)),
    "HardSigmoid": _hard_sigmoid,
    "HardSwish": _plain(functional.hardswish),
    "Identity": _plain(lambda x: x),
    "LeakyRelu": _with("alpha", 0.01, functional.leaky_relu),
    "MatMul": _plain(lambda a, b: a @ b),
    "Max": _plain(lambda *all_: torch.stack(torch.broadcast_tensors(*all_)).amax(0)),
    "Min": _plain(lambda *all_: torch.stack(torch.broadcast_tensors(*all_)).amin(0)),
    "Mish": _plain(functional.mish),
    "Mul": _plain(lambda a, b: a * b),
    "Neg": _plain(lambda x: -x),
    "PRelu": _plain(lambda x, slope: torch.where(x < 0, x * slope, x)),
    "Pow": _plain(lambda a, b: a**b),
    "ReduceMax": _reduced(lambda x, axes, keep: x.amax(axes, keep)),
    "ReduceMean": _reduced(lambda x, axes, keep: x.mean(axes, keep)),
    "ReduceSum": _reduced(lambda x, axes, keep: x.sum(axes, keep)),
    "Relu": _plain(torch.relu),
    "Resize": resize,
    "Shape": lambda node: lambda x: torch.tensor(x.shape[int(number(node, "start", 0)) : _end(node)]),
    "Sigmoid": _plain(torch.sigmoid),
    "Softmax": lambda node: lambda x: x.softmax(int(number(node, "axis", -1))),
    "Softplus": _plain(lambda x: functional.softplus(x, threshold=80.0)),
    "Sqrt": _plain(torch.sqrt),
    "Sub": _plain(lambda a, b: a - b),
    "Tanh": _plain(torch.tanh),
}


def _end(node: NodeProto) -> int | None:
    value = attribute(node, "end", None)
    return None if value is None else int(str(value))
