"""What nodes read, those included that hold graphs of their own: the branches of If, the bodies of Loop and Scan."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import onnx
from onnx import GraphProto, NodeProto


def reads(node: NodeProto) -> list[str]:
    """Return the tensors that `node` reads, those that its branches and loop bodies take from outside included."""
    return list(dict.fromkeys([*filter(None, node.input), *captured(node)]))


def captured(node: NodeProto) -> list[str]:
    """Return the tensors that branches and loop bodies of `node` take from outside."""
    names = []
    for body in bodies(node):
        own = {name for inner in body.node for name in inner.output} | {value.name for value in body.input}
        own |= {tensor.name for tensor in body.initializer}
        own |= {tensor.values.name for tensor in body.sparse_initializer}
        names += [name for inner in body.node for name in reads(inner) if name not in own]
    return names


def redirect(node: NodeProto, instead: Mapping[str, str]) -> None:
    """Let the branches and the loop body of `node` read other tensors from outside."""
    for body in bodies(node):
        for inner in body.node:
            inner.input[:] = [instead.get(name, name) for name in inner.input]
            redirect(inner, instead)


def bodies(node: NodeProto) -> list[GraphProto]:
    """Return the branches or the loop body of `node`; most have none."""
    graphs = ([item.g] if item.type == onnx.AttributeProto.GRAPH else item.graphs for item in node.attribute)
    return [body for inside in graphs for body in inside]


def living(nodes: Sequence[NodeProto], outputs: Iterable[str]) -> list[NodeProto]:
    """Return those of `nodes` that `outputs` depend on."""
    needed = set(outputs)
    kept = []
    for node in reversed(nodes):
        if not needed.isdisjoint(node.output):
            needed.update(reads(node))
            kept.append(node)
    return kept[::-1]


def within(nodes: Iterable[NodeProto]) -> Iterator[NodeProto]:
    """Yield the nodes and all those of their branches and loop bodies."""
    for node in nodes:
        yield node
        for body in bodies(node):
            yield from within(body.node)
