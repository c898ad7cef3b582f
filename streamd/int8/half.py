"""A float32 model turned to float16, but for its decoding, its Q and DQ nodes, and what it takes and gives.

A strongly typed engine runs in the types that the file says: without this, what INT8 leaves over would run in
float32. The decoding after the last layers stays in float32: float16 cannot tell pixels apart beyond 2,048, and equal
scores would tie. Pictures go in and answers come out as float32, as before.

Q and DQ keep their float32 scales, between casts: TensorRT computes with float32 scales whatever the file says, and
warns where it has to convert them; ONNX Runtime fuses some into operators that take no others. TensorRT 11 folds the
casts away: the same integer layers come out with either, as tests/int8/test_tensorrt.py shows.

In float32 stay, too, what ONNX's schemas give no float16 (NonMaxSuppression, Range), what does not take its type from
an input (Cast, ConstantOfShape, Random*), operators that ONNX does not know and what comes after them, branches and
loops, and what is computed from shapes alone, where a rounding would be another size.
"""

from collections.abc import Collection, Generator, Iterator, Sequence
from itertools import chain, repeat

import numpy as np
import onnx
from onnx import NodeProto, TensorProto, defs, helper, numpy_helper, shape_inference

from streamd.int8.bodies import bodies, captured, reads, redirect
from streamd.int8.graph import Array, Graph

Formal = defs.OpSchema.FormalParameter
SINGLE, HALF = TensorProto.FLOAT, TensorProto.FLOAT16
TYPE = "tensor(float16)"
SCALED = {"QuantizeLinear", "DequantizeLinear"}
SIZES = {"Shape", "Size"}


def to_half(model: onnx.ModelProto, name: str, single: Collection[str] = ()) -> onnx.ModelProto:
    """Return `model`, called `name`, in float16; the nodes named in `single`, and every Q and DQ, stay in float32."""
    return _Halved(Graph(shape_inference.infer_shapes(model), name), single).model()


class _Halved:
    def __init__(self, source: Graph, single: Collection[str]) -> None:
        self._source = source
        self._single = single
        self._opsets = {entry.domain.removeprefix("ai.onnx"): entry.version for entry in source.model.opset_import}
        graph = source.model.graph
        values = [*graph.value_info, *graph.input, *graph.output]
        self._known = {value.name for value in values} | set(source.initializers)
        self._floats = {value.name for value in values if value.type.tensor_type.elem_type == SINGLE}
        self._floats |= {name for name, tensor in self._source.initializers.items() if tensor.data_type == SINGLE}
        self._sizes = set(self._source.initializers)  # what is known without a picture
        self._half: set[str] = set()  # float tensors that the nodes written so far made in float16
        self._made: dict[str, str] = {}  # tensor and type -> its cast
        self._constants: dict[str, TensorProto] = {}

    def model(self) -> onnx.ModelProto:
        made = onnx.ModelProto()
        made.CopyFrom(self._source.model)
        nodes = [node for original in self._source.nodes for node in self._node(original)]
        nodes += [node for name in self._source.outputs for node in self._output(nodes, name)]
        for field in (made.graph.node, made.graph.value_info, made.graph.initializer):
            del field[:]
        made.graph.node.extend(nodes)
        used = {name for node in nodes for name in reads(node)} | set(self._source.outputs)
        originals = [t for t in self._source.model.graph.initializer if t.name in used]
        made.graph.initializer.extend([*originals, *self._constants.values()])
        return made

    def _node(self, original: NodeProto) -> Iterator[NodeProto]:
        node = NodeProto.FromString(original.SerializeToString())
        taking = self._taking(original)
        for i, name in enumerate(original.input):
            if name in self._floats and node.op_type not in SIZES:
                node.input[i] = yield from self._as(name, HALF if i in taking else SINGLE)
        for name in captured(original):
            if name in self._floats:
                redirect(node, {name: (yield from self._as(name, SINGLE))})
        if taking:
            self._half |= {name for name in node.output if name in self._floats}
        yield node

    def _taking(self, node: NodeProto) -> set[int]:
        """Return the numbers of the inputs that are to be float16; none for a node that stays in float32."""
        sized = node.op_type in SIZES or self._sizes.issuperset(reads(node))
        if sized:
            self._sizes.update(node.output)
        if sized or node.name in self._single or node.op_type in SCALED or bodies(node):
            return set()
        if not self._known.issuperset(filter(None, (*node.input, *node.output))):
            return set()  # after an operator that ONNX does not know: which of its inputs are floats, nobody tells
        try:
            schema = defs.get_schema(node.op_type, self._opsets.get(node.domain, 1), node.domain)
        except defs.SchemaError:
            return set()  # nothing is known of its types
        formal = dict(zip(range(len(node.input)), _formal(schema.inputs), strict=False))
        taking = {i for i, name in enumerate(node.input) if name in self._floats and TYPE in formal[i].types}
        kinds = {formal[i].type_str for i in taking}
        gives = dict(zip(node.output, _formal(schema.outputs), strict=False))
        apart = any(given.type_str not in kinds for name, given in gives.items() if name in self._floats)
        listed = any(
            kind.startswith(("seq", "optional")) for name in gives.keys() - self._floats for kind in gives[name].types
        )
        return set() if apart or listed else taking

    def _as(self, name: str, wanted: int) -> Generator[NodeProto, None, str]:
        """Return the name under which the tensor is had in the type wanted, yielding the Cast that makes it."""
        if (name in self._half) == (wanted == HALF):
            return name
        if name in self._source.initializers:
            return self._constant(name)
        key = f"{name}/{'half' if wanted == HALF else 'single'}"
        if key not in self._made:
            self._made[key] = key
            yield helper.make_node("Cast", [name], [key], f"{key}/Cast", to=wanted)
        return key

    def _constant(self, name: str) -> str:
        key = f"{name}/half"
        if key not in self._constants:
            self._constants[key] = numpy_helper.from_array(_halved(np.asarray(self._source.constant(name))), key)
        return key

    def _output(self, nodes: list[NodeProto], name: str) -> Iterator[NodeProto]:
        """Give a graph output back in float32, under its own name."""
        if name not in self._half:
            return
        inner = f"{name}/half"
        for node in nodes:
            for names in (node.input, node.output):
                names[:] = [inner if each == name else each for each in names]
        yield helper.make_node("Cast", [inner], [name], f"{name}/Cast", to=SINGLE)


def _formal(formal: Sequence[Formal]) -> Iterator[Formal]:
    """Return what a schema says of the first, the second and every further input or output."""
    return chain(formal, repeat(formal[-1])) if formal else iter(())


def _halved(value: Array) -> Array:
    """Return the nearest float16 values, all finite, and zeros for zeros alone: what is added to a divisor counts."""
    ends = np.finfo(np.float16)
    half = np.clip(value, -ends.max, ends.max).astype(np.float16)
    return np.where((half == 0) & (value != 0), np.copysign(ends.smallest_subnormal, value), half).astype(np.float16)
