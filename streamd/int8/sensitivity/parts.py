"""The raw answers of a head, boxes apart from scores, found by trying.

The last weighted layers give logits of both kinds, in one tensor or several, in whatever order the exporter left them.
What decodes them is in the model, and what its outputs mean is in the manifest: so a channel is moved a little, and
where that changes a score it is a score's, else a box's. Channels are tried in blocks that are halved as long as they
are mixed, so a head takes a few dozen runs of its decoding, which is cheap.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from streamd.int8.graph import Graph
from streamd.int8.head import find
from streamd.int8.session import Array, Session
from streamd.int8.stretch import stretch
from streamd.manifest import Manifest

Mask = npt.NDArray[np.bool_]
BOXES, SCORES, ANSWERS = "boxes", "scores", "answers"
BOX_VALUES = 4


@dataclass(slots=True)
class Parts:
    """The tensors that the last layers give, and which of their channels are scores; no mask: not told apart."""

    tensors: tuple[str, ...]
    axes: dict[str, int] = field(default_factory=dict)
    scores: dict[str, Mask] = field(default_factory=dict)

    def split(self, values: Mapping[str, Array]) -> dict[str, Array]:
        """Return the raw answers of one picture as one vector for each part."""
        if not self.scores:
            return {ANSWERS: np.concatenate([values[name].ravel() for name in self.tensors])}
        found: dict[str, list[Array]] = {BOXES: [], SCORES: []}
        for name in self.tensors:
            mask = self.scores[name]
            for part, chosen in ((BOXES, ~mask), (SCORES, mask)):
                if chosen.any():
                    found[part].append(np.compress(chosen, values[name], self.axes[name]).ravel())
        return {part: np.concatenate(vectors) for part, vectors in found.items() if vectors}


def last_tensors(graph: Graph) -> tuple[str, ...]:
    """Return what the last weighted layers give, in the order of the graph; without any, the outputs."""
    last = find(graph).last
    return tuple(node.output[0] for node in graph.nodes if node.name in last) or graph.outputs


def tell_apart(graph: Graph, manifest: Manifest, values: Mapping[str, Array]) -> Parts:
    """Find out which channels of the last tensors are scores; `values` holds them and the inputs, of one picture."""
    names = last_tensors(graph)
    parts = Parts(names, {name: _axis(graph, name) for name in names})
    if manifest.head == "classify":
        parts.scores = {name: np.ones(values[name].shape[parts.axes[name]], bool) for name in names}
        return parts
    decode = _decoder(graph, names, values)
    base = decode(values)
    order = [output.name for output in manifest.outputs] or list(graph.outputs)
    masks = score_masks(manifest, [base[name] for name in order])
    if masks is None:
        return parts
    outputs = dict(zip(order, masks, strict=True))
    for name in names:
        parts.scores[name] = _tried(name, parts.axes[name], values, decode, base, outputs)
    return parts


def score_masks(manifest: Manifest, outputs: Sequence[Array]) -> list[Mask] | None:
    """Return which elements of `outputs`, in the manifest's order, are scores; None for a head not known here."""
    head, labels = manifest.head, len(manifest.labels)
    if head in {"yolov8", "obb"} and len(outputs) == 1:
        rows = outputs[0].shape[1]
        end = rows - 1 if head == "obb" else rows
        return [_along(outputs[0], 1, [BOX_VALUES <= i < end for i in range(rows)])]
    if head == "end2end":
        return [_along(outputs[0], 2, [i == BOX_VALUES for i in range(outputs[0].shape[2])])]
    if head in {"yolov5", "yolov6", "yolox", "yolov3"}:
        values = 5 + labels
        axes = [(one.ndim - 1 if not labels or one.shape[-1] == values else 1) for one in outputs]
        return [
            _along(
                one, axis, [i % (values if labels else one.shape[axis]) >= BOX_VALUES for i in range(one.shape[axis])]
            )
            for one, axis in zip(outputs, axes, strict=True)
        ]
    return None


def _along(value: Array, axis: int, rows: Sequence[bool]) -> Mask:
    shape = [-1 if i == axis else 1 for i in range(value.ndim)]
    return np.broadcast_to(np.asarray(rows, bool).reshape(shape), value.shape)


def _axis(graph: Graph, tensor: str) -> int:
    """Return the axis of channels of what a layer gives."""
    return -1 if graph.producer[tensor].op_type == "MatMul" else 1


Decoder = Callable[[Mapping[str, Array]], dict[str, Array]]


def _decoder(graph: Graph, names: Sequence[str], values: Mapping[str, Array]) -> Decoder:
    """Return what turns the last tensors into the model's outputs."""
    first = {node.output[0]: node for node in graph.nodes if node.output[0] in names}
    rest = Graph(graph.model, graph.name)
    rest.nodes = [node for node in graph.nodes if node.name not in {one.name for one in first.values()}]
    outputs = [name for name in graph.outputs if name not in names]
    part = stretch(rest, 0, len(rest.nodes), outputs)
    session = Session(part.model, graph.name) if outputs else None

    def decode(given: Mapping[str, Array]) -> dict[str, Array]:
        made = session.run({name: given[name] for name in part.inputs}, outputs) if session else {}
        return {name: given[name] for name in graph.outputs if name in names} | made

    return decode


def _tried(
    name: str,
    axis: int,
    values: Mapping[str, Array],
    decode: Decoder,
    base: Mapping[str, Array],
    masks: Mapping[str, Mask],
) -> Mask:
    """Return which channels of tensor `name` are scores."""
    size = values[name].shape[axis]
    noise = np.random.default_rng(0).normal(size=values[name].shape).astype(np.float32)
    scores = np.zeros(size, bool)
    waiting = [(0, size)]
    while waiting:
        first, end = waiting.pop()
        chosen = (np.arange(size) >= first) & (np.arange(size) < end)
        shape = [-1 if i == axis % noise.ndim else 1 for i in range(noise.ndim)]
        moved = decode({**values, name: values[name] + noise * chosen.reshape(shape)})
        changed = {output: _differ(moved[output], base[output]) for output in masks}
        if not any((where & masks[output]).any() for output, where in changed.items()):
            continue
        if end - first == 1 or not any((where & ~masks[output]).any() for output, where in changed.items()):
            scores[first:end] = True
        else:
            middle = (first + end) // 2
            waiting += [(first, middle), (middle, end)]
    return scores


def _differ(one: Array, other: Array) -> Mask:
    """Return where two outputs differ; everywhere if they have another shape."""
    return np.asarray(one != other) if one.shape == other.shape else np.ones(other.shape, bool)
