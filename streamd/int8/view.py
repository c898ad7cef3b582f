"""A Q/DQ graph as rules look at it: what is quantized with what, however pairs, casts and codes are written."""

import numpy as np
import onnx
from onnx import NodeProto, TensorProto, helper, numpy_helper

from streamd.int8.bodies import redirect
from streamd.int8.graph import FLOATS, Array, Graph, attribute
from streamd.int8.head import Head, find
from streamd.int8.placement import TRANSPARENT

Q, DQ = "QuantizeLinear", "DequantizeLinear"


class View:
    """A quantized graph without its casts between float types, and the same graph with its Q and DQ left out too."""

    def __init__(self, model: onnx.ModelProto) -> None:
        copy = _without_casts(model)
        self.graph = Graph(copy)
        self.graph.settle_constants()
        for i, node in enumerate(copy.graph.node):
            node.name = node.name or f"{node.op_type}_{i}"
        self.graph.index()
        self.opset = next((entry.version for entry in copy.opset_import if entry.domain in {"", "ai.onnx"}), 0)
        self.pairs = [node for node in self.graph.nodes if node.op_type in {Q, DQ}]
        self.bare = Graph(_stripped(self.graph))
        self.head: Head = find(self.bare)

    def scale(self, node: NodeProto) -> Array | None:
        """Return the scale of a Q or DQ; None where it is computed."""
        return self.graph.constant(node.input[1])

    def zero(self, node: NodeProto) -> Array | None:
        """Return the zero point of a Q or DQ; None where it has none, or it is computed."""
        return self.graph.constant(node.input[2]) if len(node.input) > 2 and node.input[2] else None

    def codes(self, node: NodeProto) -> str:
        """Return the type of the codes that a Q makes or a DQ reads; nothing where a DQ has it from its Q."""
        known = (
            self.zero(node) if node.op_type == Q or self.zero(node) is not None else self.graph.constant(node.input[0])
        )
        if known is not None:
            return str(known.dtype)
        if node.op_type == DQ:
            return ""
        made = int(str(attribute(node, "output_dtype", 0))) or TensorProto.UINT8  # which is ONNX's own
        return str(helper.tensor_dtype_to_np_dtype(made))

    def source(self, tensor: str) -> NodeProto | None:
        """Return the DQ that `tensor` comes from, through nodes that only move values; None where there is none."""
        node = self.graph.producer.get(tensor)
        while node is not None and node.op_type in TRANSPARENT:
            node = self.graph.producer.get(node.input[0])
        return node if node is not None and node.op_type == DQ else None

    def sinks(self, tensor: str) -> list[NodeProto]:
        """Return the Q that read `tensor`, through nodes that only move values."""
        found = []
        for node in self.graph.consumers[tensor]:
            if node.op_type == Q:
                found.append(node)
            elif node.op_type in TRANSPARENT:
                found += [sink for name in node.output for sink in self.sinks(name)]
        return found

    def is_answered(self, q: NodeProto) -> bool:
        """Whether what `q` quantizes goes into an answer; a feature may be answered in float, and quantized beside."""
        names = [name for dq in self.graph.consumers[q.output[0]] for name in dq.output]
        readers = [reader for name in names for reader in self.graph.consumers[name]]
        return not self.head.decode.isdisjoint(r.name for r in readers) or not set(names).isdisjoint(self.graph.outputs)


def _without_casts(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return the model without Cast to a float type, which a file of two types has around every pair."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    del copy.graph.node[:]
    instead: dict[str, str] = {}
    codes = {name for node in model.graph.node if node.op_type == Q for name in node.output}
    for node in model.graph.node:
        if node.op_type == "Cast" and attribute(node, "to", 0) in FLOATS and node.input[0] not in codes:
            instead[node.output[0]] = instead.get(node.input[0], node.input[0])
        else:
            kept = copy.graph.node.add()
            kept.CopyFrom(node)
            kept.input[:] = [instead.get(name, name) for name in node.input]
            redirect(kept, instead)
    for output in copy.graph.output:
        output.name = instead.get(output.name, output.name)
    return copy


def _stripped(graph: Graph) -> onnx.ModelProto:
    """Return the model without its Q and DQ: their readers read what was quantized, or the constant it stands for."""
    model = onnx.ModelProto()
    model.CopyFrom(graph.model)
    instead: dict[str, str] = {}
    nodes = []
    for node in graph.nodes:
        copy = NodeProto.FromString(node.SerializeToString())
        copy.input[:] = [instead.get(name, name) for name in copy.input]
        redirect(copy, instead)
        if node.op_type not in {Q, DQ}:
            nodes.append(copy)
        elif copy.input[0] in graph.initializers and node.op_type == DQ:
            model.graph.initializer.append(_dequantized(graph, node, copy.input[0]))
        else:
            instead[node.output[0]] = copy.input[0]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    for output in model.graph.output:
        output.name = instead.get(output.name, output.name)
    return model


def _dequantized(graph: Graph, node: NodeProto, name: str) -> TensorProto:
    codes, scale = graph.constant(name), graph.constant(node.input[1])
    value = np.asarray(codes, np.float32)
    if scale is not None and codes is not None and codes.dtype.kind in "iu":
        axis = int(str(attribute(node, "axis", 1))) if scale.ndim else 0
        value = value * scale.astype(np.float32).reshape(
            [-1 if i == axis and scale.size > 1 else 1 for i in range(value.ndim)]
        )
    return numpy_helper.from_array(value, node.output[0])
