"""The one pass over the calibration set, and what it leaves: a histogram of |x| for every tensor that may be quantized.

Every method and every choice of what stays in floating point reads the same `Calibration`; nothing runs again.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np

from streamd.errors import DataError, ModelError
from streamd.frames import F32
from streamd.int8.graph import Graph
from streamd.int8.histogram import Histogram
from streamd.int8.placement import depthwise, plan
from streamd.int8.segments import cut
from streamd.int8.session import Session

BUDGET = 64 << 20  # bytes of observed tensors held at a time


@dataclass(slots=True)
class Calibration:
    """What was seen: histograms by tensor name, of which model, on which data.

    `model_sha256` is that of the model's file; `data_sha256` that of every input value, in order. `channels` has the
    largest |x| of each channel, for what depthwise layers read.
    """

    model_sha256: str
    data_sha256: str
    frames: int
    histograms: dict[str, Histogram] = field(default_factory=dict)
    channels: dict[str, F32] = field(default_factory=dict)


def calibrate(
    graph: Graph,
    batches: Iterable[F32],
    *,
    whole: bool = False,
    budget: int = BUDGET,
    progress: Callable[[int], None] = lambda _: None,
) -> Calibration:
    """Run every batch (N, C, H, W, preprocessed as the model wants it) and count what its tensors hold.

    Memory is bounded by `budget` and the largest single tensor, whatever the model and however many batches. A model
    of a fixed batch is fed that many single pictures at a time; the last run is filled up with its own pictures again.
    `progress` is told the number of frames done. `whole` observes the head too (placement.plan).

    Raises:
        DataError: there is no batch, one does not fit the model, a tensor holds NaN or infinite values, or all zeros.
        ModelError: the model has more than one input or nothing to quantize, or cannot be run.
    """
    if len(graph.inputs) != 1:
        raise ModelError(
            f"{graph.name}: has {len(graph.inputs)} inputs", mend="calibrate a model with one, the picture"
        )
    names = observed(graph, whole=whole)
    if not names:
        raise ModelError(f"{graph.name}: has no layer that INT8 would serve", mend="name a model with convolutions")
    digest = hashlib.sha256()
    result = Calibration(graph.sha256, "", 0, {name: Histogram() for name in names})
    by_channel = set(depthwise(graph).values())
    passes: dict[tuple[int, ...], _Pass] = {}
    for batch, frames in _runs(graph, batches):
        if batch.shape not in passes:
            passes = {batch.shape: _Pass(graph, names, batch.shape, budget)}
        for name, value in passes[batch.shape](batch):
            result.histograms[name].add(value, name)
            if name in by_channel:
                others = tuple(axis for axis in range(value.ndim) if axis != 1)
                largest = np.maximum(value.max(axis=others), -value.min(axis=others))
                result.channels[name] = np.maximum(result.channels.get(name, largest), largest)
        digest.update(np.ascontiguousarray(batch[:frames]).data)
        result.frames += frames
        progress(result.frames)
    if not result.frames:
        raise DataError("the calibration set is empty", mend="name pictures, videos or batch files, or widen --part")
    if not any(histogram.amax for histogram in result.histograms.values()):
        raise DataError("every tensor was zero on every picture", mend="name real pictures, or mend the model")
    result.data_sha256 = digest.hexdigest()
    return result


def observed(graph: Graph, *, whole: bool = False) -> tuple[str, ...]:
    """Return the tensors worth a histogram: what either file may quantize, layer outputs for the CPU included."""
    placement = plan(graph, whole=whole)
    layers = set(placement.layers)
    outputs = [node.output[0] for node in graph.nodes if node.name in layers]
    return tuple(dict.fromkeys([*placement.tensors, *outputs]))


class _Pass:
    """The pieces of a model as sessions, for inputs of one shape."""

    def __init__(self, graph: Graph, names: tuple[str, ...], shape: tuple[int, ...], budget: int) -> None:
        self._input = graph.inputs[0]
        self._names = names
        self._segments = cut(graph, names, shape, budget)
        self._sessions = [Session(segment.model, graph.name) for segment in self._segments]

    def __call__(self, batch: F32) -> Iterator[tuple[str, F32]]:
        """Yield every observed tensor once, letting go of each piece's before the next runs."""
        if self._input in self._names:
            yield self._input, batch
        live = {self._input: batch}
        for i, (segment, session) in enumerate(zip(self._segments, self._sessions, strict=True)):
            values = session.run({name: live[name] for name in segment.inputs}, segment.outputs)
            needed = {name for later in self._segments[i + 1 :] for name in later.inputs}
            live = {name: value for name, value in (live | values).items() if name in needed}
            for name in segment.observed:
                yield name, values.pop(name)


def _runs(graph: Graph, batches: Iterable[F32]) -> Iterator[tuple[F32, int]]:
    """Yield what the model is run on, and how many pictures of it are new."""
    (wanted,) = (value.type.tensor_type.shape.dim for value in graph.model.graph.input if value.name == graph.inputs[0])
    sizes = [dim.dim_value for dim in wanted]  # 0 where any size goes
    held: list[F32] = []
    for batch in batches:
        if not sizes or sizes[0] < 2 or batch.shape[:1] != (1,):
            _check(graph, batch, sizes)
            yield batch, batch.shape[0]
            continue
        _check(graph, batch, [1, *sizes[1:]])
        held.append(batch.copy())
        if len(held) == sizes[0]:
            yield np.concatenate(held), len(held)
            held = []
    if held:
        yield np.concatenate([held[i % len(held)] for i in range(sizes[0])]), len(held)


def _check(graph: Graph, batch: F32, sizes: list[int]) -> None:
    if len(sizes) != batch.ndim or any(size and size != has for size, has in zip(sizes, batch.shape, strict=False)):
        has, takes = ("x".join(str(size or "?") for size in shape) for shape in (batch.shape, sizes))
        raise DataError(f"a batch is {has}, {graph.name} takes {takes}", mend="preprocess to the model's own size")
