"""Equalization: channels of one tensor brought to ranges alike, by a rescaling that changes no answer.

A tensor has one scale, so channels whose ranges lie far apart share one step, and the small ones arrive as 0. Where a
layer gives the tensor, through nothing but an activation f with f(s x) = s f(x), and only layers read it, channel c may
be divided by any s_c > 0 where it is made, and multiplied again where it is read:

    W1[c] /= s_c,  b1[c] /= s_c,  W2[:, c] *= s_c,  s_c = sqrt(a_c / w_c)

with a_c the largest |x| of the channel on calibration pictures and w_c its largest weight in the layers that read it.
Then both ranges are sqrt(a_c w_c): what activations win is not lost in the weights. Nagel et al. 2019, arXiv
1906.04721, section 4.1 (facts D.9), which takes the weights of the first layer for a_c; here that layer has a scale for
each output channel, so its weights do not matter, and pictures are there. Every s_c is a power of two, so in float
nothing is rounded, and the answers are the same to the bit.

SiLU is no such f: most YOLOs have few places where this applies, RepVGG's likes (ReLU) have many.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import NodeProto, numpy_helper

from streamd.frames import F32
from streamd.int8.graph import Array, Graph, attribute
from streamd.int8.placement import Placement, depthwise
from streamd.int8.session import Session
from streamd.int8.stretch import stretch

HOMOGENEOUS = {"Relu", "LeakyRelu", "PRelu", "Identity", "MaxPool", "AveragePool"}
MOST = 2.0**20  # that a channel is scaled by


@dataclass(frozen=True, slots=True)
class Seam:
    """A tensor whose channels can be rescaled: the layer that makes them, and the layers that read them."""

    tensor: str
    maker: str
    readers: tuple[str, ...]


def equalize(graph: Graph, placement: Placement, inputs: Sequence[Array]) -> tuple[Graph, list[str]]:
    """Return a copy of `graph` with channels equalized at all `seams`, and the names of their tensors.

    `inputs` are what the model is fed, one array a picture. Scales chosen before are of no use to the copy.

    Raises:
        ModelError: the model cannot be run.
    """
    found = seams(graph, placement)
    if not found:
        return graph, []
    ranges = _ranges(graph, [seam.tensor for seam in found], inputs)
    model = onnx.ModelProto()
    model.CopyFrom(graph.model)
    made = Graph(model, graph.name, graph.sha256)
    nodes = {node.name: node for node in made.nodes}
    for seam in found:
        readers = [nodes[name] for name in seam.readers]
        weights = np.max([_columns(made, node) for node in readers], axis=0)
        factors = _factors(ranges[seam.tensor], weights)
        maker, inverse = nodes[seam.maker], np.reciprocal(factors)
        _multiply(made, maker, 1, inverse, made.weight_axis(maker) or 0)
        if len(maker.input) > 2 and maker.input[2]:
            _multiply(made, maker, 2, inverse, 0)
        for node in readers:
            _multiply(made, node, 1, factors, 0 if node.name in depthwise(made) else 1)
    return made, [seam.tensor for seam in found]


def seams(graph: Graph, placement: Placement) -> list[Seam]:
    """Return the quantized tensors that can be rescaled, by depth."""
    found = []
    for tensor in placement.tensors:
        maker, readers = _maker(graph, tensor), graph.consumers[tensor]
        if maker is None or tensor in graph.outputs or not all(_rescales(graph, node, tensor) for node in readers):
            continue
        found.append(Seam(tensor, maker.name, tuple(node.name for node in readers)))
    return found


def _maker(graph: Graph, tensor: str) -> NodeProto | None:
    """Return the convolution whose channels `tensor` holds; None where there is none, or others read it on the way."""
    node = graph.producer.get(tensor)
    while node is not None and node.op_type in HOMOGENEOUS:
        name = node.input[0]
        if len(graph.consumers[name]) != 1 or name in graph.outputs:
            return None
        node = graph.producer.get(name)
    if node is None or node.op_type != "Conv" or graph.weight_axis(node) is None:
        return None
    bias = node.input[2] if len(node.input) > 2 else ""
    return node if not bias or bias in graph.initializers else None


def _rescales(graph: Graph, node: NodeProto, tensor: str) -> bool:
    """Whether `node` is a convolution that can take the channels of `tensor` multiplied by other weights."""
    if node.op_type != "Conv" or graph.weight_axis(node) is None or list(node.input).count(tensor) != 1:
        return False
    return attribute(node, "group", 1) == 1 or node.name in depthwise(graph)


def _ranges(graph: Graph, tensors: Sequence[str], inputs: Sequence[Array]) -> dict[str, F32]:
    """Return the largest |x| of each channel."""
    part = stretch(graph, 0, len(graph.nodes), tensors)
    session = Session(part.model, graph.name)
    largest: dict[str, F32] = {}
    for one in inputs:
        for name, value in session.run({part.inputs[0]: one}, tensors).items():
            seen = np.abs(value).max(axis=tuple(axis for axis in range(value.ndim) if axis != 1))
            largest[name] = np.maximum(largest.get(name, seen), seen)
    return largest


def _columns(graph: Graph, node: NodeProto) -> F32:
    """Return the largest |w| of each input channel of a convolution."""
    weight = np.abs(np.asarray(graph.constant(node.input[1]), np.float32))
    kept = 0 if node.name in depthwise(graph) else 1
    found: F32 = weight.max(axis=tuple(axis for axis in range(weight.ndim) if axis != kept))
    return found


def _factors(ranges: F32, weights: F32) -> F32:
    """Return s, powers of two; a channel that is always 0, or that nobody weighs, is left as it is."""
    alive = (ranges > 0) & (weights > 0)
    ratio = np.divide(ranges, weights, out=np.ones_like(ranges), where=alive)
    octaves = np.round(np.log2(np.clip(np.sqrt(ratio), 1 / MOST, MOST)))
    return np.where(alive, 2.0**octaves, 1.0).astype(np.float32)


def _multiply(graph: Graph, node: NodeProto, i: int, factors: F32, axis: int) -> None:
    """Let input `i` of `node`, a constant, be multiplied by `factors` along `axis`."""
    value = np.asarray(graph.constant(node.input[i]), np.float32)
    shape = [-1 if one == axis else 1 for one in range(value.ndim)]
    name = f"{node.name}/{('input', 'weight', 'bias')[i]}/equalized"
    changed = numpy_helper.from_array((value * factors.reshape(shape)).astype(np.float32), name)
    if node.input[i] == name:  # of two seams, one before the layer and one behind it
        graph.initializers[name].CopyFrom(changed)
        return
    graph.model.graph.initializer.append(changed)
    node.input[i] = name
    graph.index()
