"""A model cut into consecutive pieces, so that the tensors observed in one piece fit a budget of memory.

The pieces run one after the other, each fed with what the later ones still need: the whole costs one inference,
and never holds more than one piece's observed tensors and what crosses to the next.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import onnx
from onnx import NodeProto, TensorProto, helper, shape_inference

from streamd.int8.bodies import reads
from streamd.int8.graph import Graph

UNKNOWN = 16 << 20  # bytes; taken for a tensor whose shape cannot be inferred


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of a model: what it reads from before it, what is observed in it, and what later pieces need of it."""

    model: onnx.ModelProto
    inputs: tuple[str, ...]
    observed: tuple[str, ...]
    passed: tuple[str, ...]

    @property
    def outputs(self) -> tuple[str, ...]:
        """Everything that is fetched from it."""
        return tuple(dict.fromkeys(self.observed + self.passed))


def cut(graph: Graph, observed: Sequence[str], shape: Sequence[int], budget: int) -> list[Segment]:
    """Cut `graph`, fed with an input of `shape`, so that no piece holds more than `budget` bytes of `observed`.

    A piece of a single node may hold more. What comes after the last observed tensor is left out.
    """
    types, sizes = inferred(graph, shape)
    wanted = [name for name in dict.fromkeys(observed) if name in graph.producer]
    end = max((i + 1 for i, node in enumerate(graph.nodes) if not set(wanted).isdisjoint(node.output)), default=0)
    pieces = _pieces(graph.nodes[:end], set(wanted), sizes, budget) if end else []
    segments = []
    for i, piece in enumerate(pieces):
        made = {name for node in piece for name in node.output if name}
        needed = {name for node in piece for name in reads(node)}
        later = {name for after in pieces[i + 1 :] for node in after for name in reads(node)}
        inputs = tuple(sorted(needed - made - graph.initializers.keys()))
        inside = tuple(name for name in wanted if name in made)
        segments.append(Segment(_model(graph, piece, inputs, types), inputs, inside, tuple(sorted(made & later))))
    for segment in segments:
        segment.model.graph.output.extend(_value(name, types) for name in segment.outputs)
    return segments


def _pieces(
    nodes: Iterable[NodeProto], observed: set[str], sizes: dict[str, int], budget: int
) -> list[list[NodeProto]]:
    pieces: list[list[NodeProto]] = [[]]
    held = 0
    for node in nodes:
        here = sum(sizes.get(name, UNKNOWN) for name in node.output if name in observed)
        if pieces[-1] and here and held + here > budget:
            pieces.append([])
            held = 0
        pieces[-1].append(node)
        held += here
    return pieces


def _model(graph: Graph, nodes: Sequence[NodeProto], inputs: Sequence[str], types: dict[str, int]) -> onnx.ModelProto:
    names = {name for node in nodes for name in reads(node)}
    constants = [tensor for name, tensor in graph.initializers.items() if name in names]
    body = helper.make_graph(nodes, "piece", [_value(name, types) for name in inputs], [], constants)
    made = helper.make_model(body, opset_imports=graph.model.opset_import)
    made.ir_version = graph.model.ir_version
    return made


def _value(name: str, types: dict[str, int]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, types.get(name, TensorProto.FLOAT), None)


def inferred(graph: Graph, shape: Sequence[int]) -> tuple[dict[str, int], dict[str, int]]:
    """Return the element type and the bytes of every tensor that can be inferred."""
    model = onnx.ModelProto()
    model.CopyFrom(graph.model)
    del model.graph.value_info[:]
    for value in model.graph.input:
        if value.name == graph.inputs[0]:
            value.CopyFrom(helper.make_tensor_value_info(value.name, value.type.tensor_type.elem_type, list(shape)))
    model = shape_inference.infer_shapes(model, data_prop=True)
    types, sizes = {}, {}
    for value in [*model.graph.value_info, *model.graph.input, *model.graph.output]:
        kind = value.type.tensor_type
        if kind.elem_type:
            types[value.name] = kind.elem_type
            dims = [dim.dim_value for dim in kind.shape.dim]
            if kind.HasField("shape") and all(dims):
                sizes[value.name] = math.prod(dims) * helper.tensor_dtype_to_np_dtype(kind.elem_type).itemsize
    return types, sizes
