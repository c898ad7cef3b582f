"""A stretch of a model: consecutive nodes as a graph of their own, which can be quantized and run like any other.

What the stretch reads from before it becomes its inputs. So a model need not be run from the picture on to see what a
change in its last third does: the activations at the cut are fed.
"""

from collections.abc import Sequence

from onnx import NodeProto, TensorProto, ValueInfoProto, helper

from streamd.int8 import qdq
from streamd.int8.bodies import reads
from streamd.int8.graph import Graph
from streamd.int8.groups import only
from streamd.int8.placement import Placement
from streamd.int8.scales import Scales
from streamd.int8.session import Session


def crossing(graph: Graph, at: int, wanted: Sequence[str] = ()) -> tuple[str, ...]:
    """Return the tensors that exist before node number `at` and are read from it on, or are `wanted` beyond it."""
    before = {name for node in graph.nodes[:at] for name in node.output if name} | set(graph.inputs)
    needed = {name for node in graph.nodes[at:] for name in reads(node)} | set(wanted)
    return tuple(sorted(before & needed))


def stretch(graph: Graph, first: int, end: int, outputs: Sequence[str]) -> Graph:
    """Return nodes `first` to `end` (exclusive) of `graph`, as far as `outputs` need them, as a graph.

    An output that comes from before `first` is no output of the stretch.
    """
    nodes: list[NodeProto] = []
    needed = set(outputs)
    for node in reversed(graph.nodes[first:end]):
        if not needed.isdisjoint(node.output):
            nodes.insert(0, node)
            needed.update(reads(node))
    made = {name for node in nodes for name in node.output if name}
    inputs = sorted({name for node in nodes for name in reads(node)} - made - graph.initializers.keys())
    constants = [tensor for name, tensor in graph.initializers.items() if name in needed]
    types = {
        value.name: value.type.tensor_type.elem_type
        for field in (graph.model.graph.value_info, graph.model.graph.input, graph.model.graph.output)
        for value in field
    }

    def about(names: Sequence[str]) -> list[ValueInfoProto]:
        return [helper.make_tensor_value_info(name, types.get(name) or TensorProto.FLOAT, None) for name in names]

    given = [name for name in dict.fromkeys(outputs) if name in made]
    body = helper.make_graph(nodes, "stretch", about(inputs), about(given), constants)
    model = helper.make_model(body, opset_imports=graph.model.opset_import)
    model.ir_version = graph.model.ir_version
    return Graph(model, graph.name)


def session(part: Graph, placement: Placement, scales: Scales) -> Session:
    """Return a session of `part`, a stretch, quantized as TensorRT would where `scales` has a scale.

    Pairs that nothing in the stretch reads are left out.
    """
    names = {node.name for node in part.nodes}
    read = {name for name, readers in placement.readers.items() if any(node in names for node, _ in readers)}
    return Session(qdq.write(part, placement, only(scales, read), qdq.TENSORRT), part.name)
