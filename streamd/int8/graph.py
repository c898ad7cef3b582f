"""An ONNX graph made ready to be quantized, and who makes and who reads each of its tensors.

`load` refuses what cannot be quantized, raises the opset, turns constants into initializers, drops what nobody reads,
folds batch normalisation into the convolution before it and gives every node a name of its own.
"""

from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import NodeProto, TensorProto, numpy_helper, shape_inference

from streamd.errors import ModelError
from streamd.infer import files
from streamd.int8 import opset
from streamd.int8.bodies import bodies, living, reads, within

Array = npt.NDArray[Any]
LIMIT = 2 << 30  # bytes; what one protobuf message can hold
FLOATS = {TensorProto.FLOAT, TensorProto.FLOAT16}
WEIGHTED = {"Conv", "ConvTranspose", "Gemm", "MatMul"}
QUANTIZED = {"QuantizeLinear", "DequantizeLinear", "QLinearConv", "QLinearMatMul", "ConvInteger", "MatMulInteger"}


class Graph:
    """A model and the index of its tensors. Whoever changes nodes calls `index` after it."""

    def __init__(self, model: onnx.ModelProto, name: str = "model", sha256: str = "") -> None:
        """`name` is what errors call the model: its path; `sha256` is that of its file."""
        self.model = model
        self.name = name
        self.sha256 = sha256
        self.index()

    def index(self) -> None:
        """Read the nodes again."""
        graph = self.model.graph
        self.nodes: list[NodeProto] = list(graph.node)
        self.initializers: dict[str, TensorProto] = {tensor.name: tensor for tensor in graph.initializer}
        self.inputs = tuple(value.name for value in graph.input if value.name not in self.initializers)
        self.outputs = tuple(value.name for value in graph.output)
        self.producer: dict[str, NodeProto] = {name: node for node in self.nodes for name in node.output if name}
        self.consumers: dict[str, list[NodeProto]] = defaultdict(list)
        for node in self.nodes:
            for name in reads(node):
                self.consumers[name].append(node)

    def constant(self, name: str) -> Array | None:
        """Return the value of an initializer; None for any other tensor."""
        tensor = self.initializers.get(name)
        return None if tensor is None else np.asarray(numpy_helper.to_array(tensor))

    def activations(self, node: NodeProto) -> list[str]:
        """Return the inputs of `node` that are no constants."""
        return [name for name in node.input if name and name not in self.initializers]

    def settle_constants(self) -> None:
        """Turn Constant nodes, and Identity nodes of constants, into initializers."""
        kept = []
        for node in self.nodes:
            value: Array | None = None
            if node.op_type == "Constant" and node.attribute[0].name != "sparse_value":
                item = node.attribute[0]
                value = numpy_helper.to_array(item.t) if item.name == "value" else _plain(item)
            elif node.op_type == "Identity" and node.output[0] not in self.outputs:
                value = self.constant(node.input[0])
            if value is None:
                kept.append(node)
            else:
                tensor = numpy_helper.from_array(np.asarray(value), node.output[0])
                self.model.graph.initializer.append(tensor)
                self.initializers[tensor.name] = tensor
        self.replace(kept)

    def replace(self, nodes: list[NodeProto]) -> None:
        """Let these be the nodes."""
        copies = [NodeProto.FromString(node.SerializeToString()) for node in nodes]
        del self.model.graph.node[:]
        self.model.graph.node.extend(copies)
        self.index()

    def weight_axis(self, node: NodeProto) -> int | None:
        """Return the axis of output channels of the node's constant float weight (its input 1); None without one."""
        if node.op_type not in WEIGHTED or len(node.input) < 2 or node.input[0] in self.initializers:
            return None
        weight = self.initializers.get(node.input[1])
        if weight is None or weight.data_type not in FLOATS or len(weight.dims) < 2:
            return None
        return {
            "Conv": 0,
            "ConvTranspose": 1,
            "Gemm": 0 if attribute(node, "transB", 0) else 1,
            "MatMul": len(weight.dims) - 1,
        }[node.op_type]


def load(path: Path) -> Graph:
    """Read a float32 ONNX model and make it ready.

    Raises:
        ModelError: the file is no ONNX model, or is one that cannot be quantized.
    """
    graph = prepare(read(path), str(path))
    graph.sha256 = files.sha256(path)
    return graph


def read(path: Path) -> onnx.ModelProto:
    """Read an ONNX file whose weights lie in it.

    Raises:
        ModelError: the file cannot be read, is over 2 GiB, is no ONNX model, or keeps its weights elsewhere.
    """
    files.check(path, (".onnx",))
    size = path.stat().st_size
    if size > LIMIT:
        raise ModelError(f"{path}: {size / 2**30:.1f} GiB, an ONNX file holds at most 2", mend="use a smaller model")
    data = path.read_bytes()
    try:
        onnx.checker.check_model(data)
    except ValueError as error:  # it could not be parsed
        raise ModelError(f"{path}: not an ONNX model", mend="export it again, or name another file") from error
    except onnx.checker.ValidationError:
        pass  # it is stricter than any runtime; what does matter is refused below, or by ONNX Runtime
    model = onnx.load_model_from_string(data)
    if not model.graph.node:
        raise ModelError(f"{path}: not an ONNX model, or one without nodes", mend="export it again")
    elsewhere = [t for t in model.graph.initializer if t.data_location == TensorProto.EXTERNAL]
    if elsewhere:
        file = next((entry.value for entry in elsewhere[0].external_data if entry.key == "location"), "another file")
        raise ModelError(
            f"{path}: its weights lie in {file} (external data)",
            mend="export it as one file, or load and save it with onnx.load and onnx.save",
        )
    return model


def prepare(model: onnx.ModelProto, name: str = "model") -> Graph:
    """Make a model ready: opset, constants, batch normalisation, names, shapes. Changes a copy.

    Raises:
        ModelError: the model is quantized already, is not float32, or its opset cannot be raised.
    """
    already = sorted({node.op_type for node in model.graph.node} & QUANTIZED)
    if already:
        raise ModelError(f"{name}: is quantized already ({', '.join(already)})", mend="quantize the float32 export")
    half = _half(model)
    if half:
        raise ModelError(f"{name}: its {half} are float16", mend="quantize the float32 export")
    graph = Graph(opset.raised(model, name), name)
    _drop_constant_inputs(graph)
    graph.settle_constants()
    graph.replace(living(graph.nodes, graph.outputs))
    _fold_batch_normalisation(graph)
    _name_nodes(graph)
    _drop_empty_regions(graph)
    del graph.model.graph.value_info[:]
    graph.model.CopyFrom(shape_inference.infer_shapes(graph.model))
    graph.index()
    return graph


def attribute(node: NodeProto, name: str, default: object) -> object:
    """Return an attribute of `node`, or `default`; a string comes as str."""
    for item in node.attribute:
        if item.name == name:
            value: object = onnx.helper.get_attribute_value(item)
            return value.decode() if isinstance(value, bytes) else value
    return default


def _drop_constant_inputs(graph: Graph) -> None:
    """Before IR version 4 every initializer was an input too."""
    kept = [value for value in graph.model.graph.input if value.name not in graph.initializers]
    del graph.model.graph.input[:]
    graph.model.graph.input.extend(kept)
    graph.index()


def _half(model: onnx.ModelProto) -> str:
    """Return what of the model is float16, in a word; nothing if it is not."""
    if any(value.type.tensor_type.elem_type == TensorProto.FLOAT16 for value in model.graph.input):
        return "inputs"
    nodes = [*within(model.graph.node), *(node for function in model.functions for node in within(function.node))]
    inside = (body for node in nodes for body in bodies(node))
    tensors = [tensor for graph in (model.graph, *inside) for tensor in graph.initializer]
    tensors += [item.t for node in nodes if node.op_type == "Constant" for item in node.attribute if item.HasField("t")]
    return "weights" if any(tensor.data_type == TensorProto.FLOAT16 for tensor in tensors) else ""


def _plain(item: onnx.AttributeProto) -> Array | None:
    value = onnx.helper.get_attribute_value(item)
    if item.name in {"value_float", "value_floats"}:
        return np.asarray(value, np.float32)
    return np.asarray(value, np.int64) if item.name in {"value_int", "value_ints"} else None


def _fold_batch_normalisation(graph: Graph) -> None:
    gone = {norm.output[0] for norm in graph.nodes if norm.op_type == "BatchNormalization" and _fold(graph, norm)}
    if gone:
        graph.replace([n for n in graph.nodes if n.op_type != "BatchNormalization" or n.output[0] not in gone])


def _fold(graph: Graph, norm: NodeProto) -> bool:
    """Fold y = (conv(x) - mean) / sqrt(variance + epsilon) * scale + shift into weight and bias, where it can be."""
    conv = graph.producer.get(norm.input[0])
    axis = graph.weight_axis(conv) if conv is not None and conv.op_type in {"Conv", "ConvTranspose"} else None
    if conv is None or axis is None or (axis == 1 and attribute(conv, "group", 1) != 1):
        return False
    if attribute(norm, "training_mode", 0):  # it normalises by the batch before it, not by what is in the file
        return False
    weight, norms = graph.constant(conv.input[1]), [graph.constant(name) for name in norm.input[1:5]]
    bias = graph.constant(conv.input[2]) if len(conv.input) > 2 and conv.input[2] else np.zeros(1, np.float32)
    shared = len(graph.consumers[conv.output[0]]) > 1 or conv.output[0] in graph.outputs
    if shared or weight is None or bias is None or any(value is None for value in norms):
        return False
    scale, shift, mean, variance = (np.asarray(value, np.float64) for value in norms)
    factor = scale / np.sqrt(variance + float(str(attribute(norm, "epsilon", 1e-5))))
    along = np.moveaxis(np.asarray(weight, np.float64), axis, -1) * factor
    names = [f"{norm.output[0]}/weight", f"{norm.output[0]}/bias"]
    for name, value in zip(names, (np.moveaxis(along, -1, axis), (bias - mean) * factor + shift), strict=True):
        tensor = numpy_helper.from_array(np.ascontiguousarray(value, np.float32), name)
        graph.model.graph.initializer.append(tensor)
        graph.initializers[name] = tensor
    conv.input[:] = [conv.input[0], *names]
    conv.output[0] = norm.output[0]
    return True


def _drop_empty_regions(graph: Graph) -> None:
    """Exporters give Resize an empty region of interest, of which TensorRT complains; no name means the same."""
    for node in graph.model.graph.node:
        region = graph.constant(node.input[1]) if node.op_type == "Resize" and len(node.input) > 1 else None
        if region is not None and not region.size:
            node.input[1] = ""
    graph.index()


def _name_nodes(graph: Graph) -> None:
    taken: set[str] = set()
    for i, node in enumerate(graph.nodes):
        if not node.name or node.name in taken:
            node.name = f"{node.name or node.op_type}_{i}"
        taken.add(node.name)
