"""Quantization-aware training by distillation: the quantized network learns to answer what the float model answers.

No labels: the teacher is the float model, the loss is on the raw answers of its last layers before any decoding, each
relative to how much it varies, and where asked also on the tensors that several layers read, the ends of blocks.
Weights and biases are trained in units of what matters to their layer (units.py).
Pictures are flipped left to right at random, and may be cut to windows. Adam, a cosine schedule after a short warm-up,
and a moving average of all parameters, which is what is kept.

Sources: the recipe of NVIDIA's yolo_deepstream (facts C.3: MSE against the float model, small learning rate, head in
float); scales as in LSQ (fake.py); the rest is standard.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from streamd.errors import ModelError
from streamd.int8.graph import Graph
from streamd.int8.placement import Placement
from streamd.int8.refine import crops
from streamd.int8.refine.checkpoint import Checkpoint
from streamd.int8.refine.device import settle
from streamd.int8.refine.network import Network
from streamd.int8.refine.student import Student, averages
from streamd.int8.refine.units import units
from streamd.int8.scales import Scales
from streamd.int8.sensitivity.parts import last_tensors
from streamd.int8.session import Array

WARM_UP = 0.05  # of the steps
STRIDE = 32  # pixels: windows begin where every level of a detector has a cell begin
SEEN = 4  # pictures that units are taken from
FASTER = 10  # times as fast as weights scales learn, of which there are few
FAINT = 1e-12  # of a spread: less is none
EVERY = 50  # steps between two checkpoints
STATE = "training"


@dataclass(frozen=True, slots=True)
class Options:
    """Train for so many steps, each on a `window` (0: the whole) of each of `batch` pictures."""

    way: ClassVar[str] = "distill in units"

    steps: int = 1000
    batch: int = 4
    rate: float = 1e-3  # of weights and biases, in their units; that of the logarithms of scales is FASTER
    learn_scales: bool = True
    blocks: bool = False  # the loss is also on what blocks give
    window: int = 0
    average: float = 0.98  # of the moving average, a step
    device: str = "cpu"
    seed: int = 0


def train(
    graph: Graph,
    placement: Placement,
    scales: Scales,
    inputs: Sequence[Array],
    options: Options,
    checkpoint: Checkpoint | None = None,
    *,
    teacher: Graph | None = None,
    advance: Callable[[int], None] = lambda _: None,
    tell: Callable[[float], None] = lambda _: None,
) -> tuple[Graph, Scales]:
    """Return a copy of `graph` with trained weights and biases, and the scales that go with it.

    `inputs` are what the model is fed, one array a picture. `teacher` is the float model, where `graph` is the same
    with biases that only suit rounded weights (streamd/int8/bias.py). `checkpoint` keeps the state every 50
    steps and at the end, and gives back that of an earlier, interrupted, run. `advance` is called with the number of
    steps done, `tell` with the loss.

    Raises:
        ModelError: the model has an operator that torch is not taught here, or what is learned is no number any more.
        DataError: the checkpoint cannot be written.
    """
    torch.manual_seed(options.seed)
    settle(options.device)
    training = _Training(graph, placement, scales, inputs, options, teacher or graph)
    checkpoint = checkpoint or Checkpoint(None, "")
    training.resume(checkpoint.load(STATE))
    advance(training.step)
    while training.step < options.steps:
        tell(training.go())
        advance(1)
        if training.step % EVERY == 0 or training.step == options.steps:
            checkpoint.save(STATE, training.state())
    return training.written(graph)


def block_ends(graph: Graph, placement: Placement) -> list[str]:
    """Return the quantized tensors that several nodes read: where branches part, the ends of blocks."""
    return [name for name, readers in placement.readers.items() if len(readers) > 1 and name not in graph.inputs]


class _Training:
    def __init__(
        self,
        graph: Graph,
        placement: Placement,
        scales: Scales,
        inputs: Sequence[Array],
        options: Options,
        teacher: Graph,
    ) -> None:
        self._options, self._inputs = options, [{graph.inputs[0]: one} for one in inputs]
        outputs = list(last_tensors(graph)) + (block_ends(graph, placement) if options.blocks else [])
        self._network = Network(graph, outputs, placement, options.device)
        self._teacher = self._network if teacher is graph else Network(teacher, outputs, placement, options.device)
        self._held = crops.Held(self._inputs, self._network.inputs, options.device)
        layers = [node for node in self._network.layers if node.input[0] in scales.activations]
        steps = units(graph, placement, layers, [self._held.stacked([i], []) for i in range(min(SEEN, len(inputs)))])
        self._student = Student(self._network, placement, scales, steps, learn_scales=options.learn_scales)
        self._rates = [options.rate, FASTER * options.rate]
        groups = [{"params": one} for one in (self._student.values, self._student.steps) if one]
        self._adam = torch.optim.Adam(groups)
        self._average = averages(self._student.parameters)
        self._spreads: dict[str, float] = {}
        self._size = options.window if crops.able(self._network, self._inputs[0]) else 0
        self.step = 0

    def go(self) -> float:
        """Do one step and return its loss.

        Raises:
            ModelError: the loss is no number.
        """
        random = np.random.default_rng((self._options.seed, self.step))
        for group, rate in zip(self._adam.param_groups, self._rates, strict=False):
            group["lr"] = rate * schedule(self.step, self._options.steps)
        self._adam.zero_grad()
        chosen = random.integers(len(self._inputs), size=self._options.batch).tolist()
        portions = [chosen] if self._network.batches else [[one] for one in chosen]
        total = 0.0
        for portion in portions:
            loss = self._loss(portion, random) / len(portions)
            loss.backward()
            total += float(loss.detach())
        if not math.isfinite(total):
            raise self._astray(f"the loss is {total}")
        self._adam.step()
        self.step += 1
        keep = min(self._options.average, self.step / (self.step + 10))
        with torch.no_grad():
            for mean, now in zip(self._average, self._student.parameters, strict=True):
                mean.lerp_(now, 1 - keep)
        return total

    def state(self) -> dict[str, Array]:
        """Return all that the next step depends on.

        Raises:
            ModelError: not all of it are numbers.
        """
        self._check()
        flat = {"step": np.asarray(self.step)}
        for i, (now, mean) in enumerate(zip(self._student.parameters, self._average, strict=True)):
            moments = self._adam.state[now]
            flat |= {f"{i}/now": _plain(now), f"{i}/mean": _plain(mean)}
            flat |= {f"{i}/first": _plain(moments["exp_avg"]), f"{i}/second": _plain(moments["exp_avg_sq"])}
        for name, value in self._spreads.items():
            flat[f"spread/{name}"] = np.asarray(value)
        return flat

    def resume(self, state: Mapping[str, Array] | None) -> None:
        """Go on from what `state` returned; None: from the beginning."""
        if state is None:
            return
        self.step = int(state["step"])
        self._spreads = {name[7:]: float(value) for name, value in state.items() if name.startswith("spread/")}
        with torch.no_grad():
            for i, (now, mean) in enumerate(zip(self._student.parameters, self._average, strict=True)):
                now.copy_(torch.from_numpy(state[f"{i}/now"]))
                mean.copy_(torch.from_numpy(state[f"{i}/mean"]))
                moments = (torch.from_numpy(state[f"{i}/{which}"]).to(now.device) for which in ("first", "second"))
                first, second = moments
                self._adam.state[now] = {"step": torch.tensor(float(self.step)), "exp_avg": first, "exp_avg_sq": second}

    def written(self, graph: Graph) -> tuple[Graph, Scales]:
        """Return the average of what was learned, as numbers.

        Raises:
            ModelError: not all of it are numbers.
        """
        self._check()
        with torch.no_grad():
            for mean, now in zip(self._average, self._student.parameters, strict=True):
                now.copy_(mean)
        return self._student.written(graph)

    def _check(self) -> None:
        """Check what was learned: a step from a loss that is a number may end where there are none."""
        found = (*self._average, *self._student.parameters, *(one.exp() for one in self._student.steps))
        if not all(bool(one.isfinite().all()) for one in found):
            raise self._astray("what is learned are no numbers")

    def _astray(self, why: str) -> ModelError:
        return ModelError(
            f"{self._network.graph.name}: training went astray at step {self.step}: {why}", mend="give a smaller --rate"
        )

    def _loss(self, chosen: Sequence[int], random: np.random.Generator) -> Tensor:
        windows = []
        if self._size:
            sides = self._inputs[0][self._network.inputs[0]].shape[2:]
            windows = crops.drawn(sides, len(chosen), self._size, random, STRIDE)
        feeds = self._held.stacked(chosen, windows)
        if random.random() < 0.5:
            feeds = {name: value.flip(-1) for name, value in feeds.items()}
        with torch.no_grad():
            wanted = self._teacher.run(feeds)
        made = self._student.run(feeds)
        for name, value in wanted.items():
            if name not in self._spreads:  # asked of the device once
                self._spreads[name] = spread(value)
        parts = [functional.mse_loss(made[name], wanted[name]) / self._spreads[name] for name in wanted]
        return sum(parts) / len(parts)


def spread(value: Tensor) -> float:
    """Return how much answers vary, their variance; where they do not, as one number alone, their energy."""
    variance = float(value.var(unbiased=False))
    return max(variance if variance > FAINT else float(value.square().mean()), FAINT)


def schedule(step: int, steps: int) -> float:
    """Return the learning rate at `step`, of 1: a line up during the warm-up, then half a cosine down."""
    warm = max(1, round(WARM_UP * steps))
    if step < warm:
        return (step + 1) / warm
    return 0.5 * (1 + math.cos(math.pi * (step - warm) / max(steps - warm, 1)))


def _plain(value: Tensor) -> Array:
    return np.asarray(value.detach().cpu().numpy())
