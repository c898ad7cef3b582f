"""A Q/DQ model back in floating point, for a GPU that has no INT8: pairs are taken out, weights dequantized.

The weights keep the values that INT8 rounded them to, so nothing of a quantization-aware training is lost.
"""

import numpy as np
import onnx
from onnx import NodeProto, TensorProto, numpy_helper

from streamd.errors import ModelError
from streamd.int8.graph import Array, Graph, attribute

INTEGER_ONLY = {"QLinearConv", "QLinearMatMul", "ConvInteger", "MatMulInteger", "DynamicQuantizeLinear"}


def unquantized(model: onnx.ModelProto, name: str) -> onnx.ModelProto:
    """Return `model` without QuantizeLinear and DequantizeLinear.

    Raises:
        ModelError: it holds operators that compute with integers.
    """
    found = sorted({node.op_type for node in model.graph.node} & INTEGER_ONLY)
    if found:
        raise ModelError(
            f"{name}: {', '.join(found)} cannot be undone", mend="build the float model, or a Q/DQ file of it"
        )
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    graph = Graph(copy, name)
    graph.settle_constants()
    return _Stripped(graph).model()


class _Stripped:
    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._same: dict[str, str] = {}  # tensor that a pair made -> the tensor that it was made of
        self._weights: list[TensorProto] = []

    def model(self) -> onnx.ModelProto:
        nodes = [node for node in self._graph.nodes if not self._taken_out(node)]
        for node in nodes:
            node.input[:] = [self._of(each) for each in node.input]
        made = self._graph.model
        nodes += [
            onnx.helper.make_node("Identity", [self._of(name)], [name], f"{name}/Identity")
            for name in self._graph.outputs
            if name in self._same
        ]
        used = {each for node in nodes for each in node.input} | set(self._graph.outputs)
        kept = [NodeProto.FromString(node.SerializeToString()) for node in nodes]
        weights = [t for t in (*made.graph.initializer, *self._weights) if t.name in used]
        weights = [TensorProto.FromString(tensor.SerializeToString()) for tensor in weights]
        for field in (made.graph.node, made.graph.value_info, made.graph.initializer):
            del field[:]
        made.graph.node.extend(kept)
        made.graph.initializer.extend(weights)
        return made

    def _taken_out(self, node: NodeProto) -> bool:
        if node.op_type == "QuantizeLinear":
            self._same[node.output[0]] = node.input[0]
        elif node.op_type == "DequantizeLinear":
            stored = self._graph.constant(node.input[0])
            if stored is None:
                self._same[node.output[0]] = node.input[0]
            else:
                self._weights.append(numpy_helper.from_array(self._value(node, stored), node.output[0]))
        else:
            return False
        return True

    def _value(self, node: NodeProto, stored: Array) -> Array:
        """Return (stored - zero point) * scale, the scale one for all or one for each index of the axis."""
        scale = self._graph.constant(node.input[1])
        zero = self._graph.constant(node.input[2]) if len(node.input) > 2 and node.input[2] else None
        if scale is None:
            raise ModelError(f"{self._graph.name}: the scale of {node.name} is no constant", mend="export it again")
        axis = int(str(attribute(node, "axis", 1)))
        shape = [-1 if i == axis % stored.ndim else 1 for i in range(stored.ndim)] if scale.size > 1 else []
        offset = 0 if zero is None else zero.astype(np.int32).reshape(shape)
        value: Array = (stored.astype(np.int32) - offset) * scale.astype(np.float32).reshape(shape)
        return np.asarray(value, scale.dtype)

    def _of(self, name: str) -> str:
        while name in self._same:
            name = self._same[name]
        return name
