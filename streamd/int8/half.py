"""A float32 model turned to float16, but for its decoding, its Q and DQ nodes, and what it takes and gives.

A strongly typed engine runs in the types that the file says: without this, what INT8 leaves over would run in
float32. The decoding after the last layers stays in float32: float16 cannot tell pixels apart beyond 2,048, and equal
scores would tie. Pictures go in and answers come out as float32, as before.

Q and DQ keep their float32 scales, between casts: TensorRT computes with float32 scales whatever the file says, and
warns where it has to convert them; ONNX Runtime fuses some into operators that take no others. TensorRT 11 folds the
casts away: the same integer layers come out with either, as tests/int8/test_tensorrt.py shows.
"""

from collections.abc import Collection, Generator, Iterator

import numpy as np
import onnx
from onnx import AttributeProto, NodeProto, TensorProto, helper, numpy_helper, shape_inference

from streamd.errors import ModelError
from streamd.int8.graph import Graph

SINGLE, HALF = TensorProto.FLOAT, TensorProto.FLOAT16
ALWAYS_SINGLE = {"Resize": {1, 2}, "Upsample": {1}}  # inputs that are float32 whatever the type of the picture
TYPE_ATTRIBUTES = {"Cast": "to", "EyeLike": "dtype", "RandomNormal": "dtype", "RandomUniform": "dtype"}
SCALED = {"QuantizeLinear", "DequantizeLinear"}
BRANCHES = {AttributeProto.GRAPH, AttributeProto.GRAPHS}


def to_half(model: onnx.ModelProto, name: str, single: Collection[str] = ()) -> onnx.ModelProto:
    """Return `model` in float16; the nodes named in `single`, and every Q and DQ, stay in float32.

    Raises:
        ModelError: the model has branches or loops.
    """
    for node in model.graph.node:
        if any(item.type in BRANCHES for item in node.attribute):
            raise ModelError(
                f"{name}: {node.op_type} {node.name} has a body of its own", mend="write it with --base fp32"
            )
    return _Halved(model, single).model()


class _Halved:
    def __init__(self, model: onnx.ModelProto, single: Collection[str]) -> None:
        self._source = Graph(shape_inference.infer_shapes(model))
        self._single = single
        values = [*self._source.model.graph.value_info, *model.graph.input, *model.graph.output]
        self._floats = {value.name for value in values if value.type.tensor_type.elem_type == SINGLE}
        self._floats |= {name for name, tensor in self._source.initializers.items() if tensor.data_type == SINGLE}
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
        used = {name for node in nodes for name in node.input} | set(self._source.outputs)
        originals = [t for t in self._source.model.graph.initializer if t.name in used]
        made.graph.initializer.extend([*originals, *self._constants.values()])
        return made

    def _node(self, original: NodeProto) -> Iterator[NodeProto]:
        node = NodeProto.FromString(original.SerializeToString())
        half = original.name not in self._single and node.op_type not in SCALED
        fixed = ALWAYS_SINGLE.get(node.op_type, set())
        for i, name in enumerate(original.input):
            if name in self._floats:
                wanted = HALF if half and i not in fixed else SINGLE
                node.input[i] = yield from self._as(name, wanted)
        if half:
            _retype(node)
            self._half |= {name for name in node.output if name in self._floats}
        yield node

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
            value = np.asarray(self._source.constant(name))
            top = np.finfo(np.float16).max
            self._constants[key] = numpy_helper.from_array(np.clip(value, -top, top).astype(np.float16), key)
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


def _retype(node: NodeProto) -> None:
    """Let attributes that name or hold a float32 say float16."""
    for item in node.attribute:
        if item.name == TYPE_ATTRIBUTES.get(node.op_type) and item.i == SINGLE:
            item.i = HALF
        elif node.op_type == "ConstantOfShape" and item.name == "value" and item.t.data_type == SINGLE:
            item.t.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(item.t).astype(np.float16)))
