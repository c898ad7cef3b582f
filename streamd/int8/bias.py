"""Bias correction: what rounding does to the mean of a layer's answers is taken out of its bias, channel by channel.

Of the WEIGHTS: b -= E[W~ x] - E[W x], with W~ the weights that the codes stand for and x what the layer reads in the
float model (Nagel et al. 2019, arXiv 1906.04721, section 4.2; facts D.9).

Of EVERYTHING: b -= w (E[W~ x~] - E[W x]), with x~ what the layer reads in the quantized model, the layers before it
corrected already, and w the share of the error's energy that its mean explains. The weight is ours. Without it the mean
holds clipped peaks and lost channels too, which lie where the objects are; taken out everywhere, it raises the scores
of the background: 0.28 mAP lost on the bundled detector with the scales of `entropy`.

Means are over calibration pictures and positions, borders included, so no distribution is assumed and any activation
will do. No gradient is needed, and nothing but biases changes: the files are as fast as before. Neither kind wins
everywhere (README), so whoever can judge tries both. W~ are the weights of 8 bits: the CPU file of a machine without
VNNI, whose weights have 7, gets the same biases.
"""

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import numpy.typing as npt
import onnx
from onnx import NodeProto, TensorProto, helper, numpy_helper

from streamd.frames import F32
from streamd.int8.frontier import BUDGET, Frontier
from streamd.int8.graph import Array, Graph, attribute
from streamd.int8.placement import Placement
from streamd.int8.scales import Scales, quantize_weight
from streamd.int8.segments import inferred
from streamd.int8.session import Session
from streamd.int8.stretch import crossing

F64 = npt.NDArray[np.float64]
HELD = BUDGET // 2  # bytes of activations of which `of_everything` holds two
BIASED = {"Conv", "ConvTranspose", "Gemm"}  # a MatMul has no bias of its own


def of_weights(
    graph: Graph,
    placement: Placement,
    scales: Scales,
    inputs: Sequence[Array],
    *,
    advance: Callable[[], None] = lambda: None,
) -> Graph:
    """Return a copy of `graph` whose biases make up for the rounding of weights.

    `inputs` are what the model is fed, one array a picture; whoever has more than fit into memory takes `fitting`.
    The model is run once. `advance` is called after each of `layers`.

    Raises:
        ModelError: the model cannot be run.
    """
    frontier = Frontier(graph, placement, Scales(), inputs, ())
    order = {node.name: i for i, node in enumerate(graph.nodes)}
    shifts: dict[str, F32] = {}
    for node in layers(graph, placement, scales):
        frontier.move(order[node.name])
        part, name = _rounding(graph, node, scales), node.input[0]
        mean, _ = _moments(part.run({name: live[name]})[node.output[0]] for live in frontier.pictures)
        shifts[node.name] = -mean.astype(np.float32)
        advance()
    return shifted(graph, shifts)


def of_everything(
    graph: Graph,
    placement: Placement,
    scales: Scales,
    inputs: Sequence[Array],
    *,
    advance: Callable[[], None] = lambda: None,
) -> Graph:
    """Return a copy of `graph` whose biases make up for all rounding before them, as far as it is systematic.

    As `of_weights`; the float and the quantized model are run once each, layer by layer, side by side.

    Raises:
        ModelError: the model cannot be run.
    """
    exact, rounded = (Frontier(graph, placement, each, inputs, graph.outputs) for each in (Scales(), scales))
    order = {node.name: i for i, node in enumerate(graph.nodes)}
    shifts: dict[str, F32] = {}
    for node in layers(graph, placement, scales):
        for frontier in (exact, rounded):
            frontier.move(order[node.name] + 1)
        name = node.output[0]
        pairs = zip(exact.pictures, rounded.pictures, strict=True)
        mean, square = _moments(one[name] - other[name] for one, other in pairs)
        weight = np.divide(mean**2, square, out=np.zeros_like(mean), where=square > 0)
        shifts[node.name] = shift = (weight * mean).astype(np.float32)
        for live in rounded.pictures:
            live[name] = live[name] + shift.reshape([-1 if axis == 1 else 1 for axis in range(live[name].ndim)])
        advance()
    return shifted(graph, shifts)


def layers(graph: Graph, placement: Placement, scales: Scales) -> list[NodeProto]:
    """Return the layers that are corrected: all whose weights are quantized and that can have a constant bias."""
    quantized = set(placement.layers)
    return [
        node
        for node in graph.nodes
        if node.op_type in BIASED and node.name in quantized and node.input[0] in scales.activations
        if all(name in graph.initializers for name in node.input[2:] if name)
    ]


def shifted(graph: Graph, shifts: dict[str, F32]) -> Graph:
    """Return a copy of `graph` with `shifts` (C,) added to the biases of the layers named; one without gets one."""
    model = onnx.ModelProto()
    model.CopyFrom(graph.model)
    made = Graph(model, graph.name, graph.sha256)
    for node in made.nodes:
        shift = shifts.get(node.name)
        if shift is None or not shift.any():
            continue
        value = np.asarray(_corrected(made, node, shift), np.float32)
        tensor = numpy_helper.from_array(value, f"{node.name}/bias/corrected")
        model.graph.initializer.append(tensor)
        node.input[2:] = [tensor.name]
    made.index()
    return made


def fitting(graph: Graph, inputs: Sequence[Array], budget: int = HELD) -> list[Array]:
    """Return as many of `inputs`, evenly chosen, as have activations that fit `budget` bytes, at least one."""
    chosen = np.linspace(0, len(inputs) - 1, affordable(graph, inputs, budget)).round()
    return [inputs[int(i)] for i in chosen]


def affordable(graph: Graph, inputs: Sequence[Array], budget: int) -> int:
    """Return how many pictures' activations fit `budget` bytes, at least one."""
    _, sizes = inferred(graph, inputs[0].shape)
    widest = max(sum(sizes.get(name, 0) for name in crossing(graph, at)) for at in range(len(graph.nodes)))
    return max(1, min(len(inputs), budget // max(widest, 1)))


def _corrected(graph: Graph, node: NodeProto, shift: F32) -> Array:
    """Return the bias of `node` with `shift` added to what it answers; a Gemm multiplies its bias by beta."""
    bias = graph.constant(node.input[2]) if len(node.input) > 2 and node.input[2] else None
    beta = float(str(attribute(node, "beta", 1.0)))
    if not beta:  # its bias counts for nothing
        kept = [item for item in node.attribute if item.name != "beta"]
        del node.attribute[:]
        node.attribute.extend(kept)
        return shift
    if bias is None:
        return shift / beta
    return np.asarray((bias.ravel() if bias.ndim < 2 or bias.shape[0] == 1 else bias) + shift / beta)


def _rounding(graph: Graph, node: NodeProto, scales: Scales) -> Session:
    """Return a session of the layer with W~ - W for weights and no bias: by linearity what it answers is the error."""
    weight, axis = graph.constant(node.input[1]), graph.weight_axis(node)
    if weight is None or axis is None:
        raise ValueError(f"{node.name} has no constant weight")
    bias = graph.constant(node.input[2]) if len(node.input) > 2 and node.input[2] else None
    codes, scale = quantize_weight(weight, axis, bias, scales.activations[node.input[0]])
    error = codes * scale.reshape([-1 if i == axis else 1 for i in range(weight.ndim)]) - weight
    layer = NodeProto.FromString(node.SerializeToString())
    layer.input[:] = [node.input[0], "error"]
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in (node.input[0], node.output[0])]
    constant = numpy_helper.from_array(error.astype(np.float32), "error")
    body = helper.make_graph([layer], "rounding", values[:1], values[1:], [constant])
    model = helper.make_model(body, opset_imports=graph.model.opset_import)
    model.ir_version = graph.model.ir_version
    return Session(model, graph.name)


def _moments(values: Iterable[Array]) -> tuple[F64, F64]:
    """Return the mean of each channel (axis 1) over pictures and positions, and that of its square."""
    means, squares = [], []
    for value in values:
        others = tuple(axis for axis in range(value.ndim) if axis != 1)
        means.append(value.mean(axis=others, dtype=np.float64))
        squares.append(np.square(value).mean(axis=others, dtype=np.float64))
    return np.mean(means, axis=0), np.mean(squares, axis=0)


KINDS = {"weights": of_weights, "everything": of_everything}
