"""AdaRound: whether a weight is rounded down or up is learned, block by block, from what the block shall answer.

The block gets what the quantized layers before it give, and shall answer what the float model answers: so it also makes
up for the rounding before it (Nagel et al. 2020, arXiv 2004.10568, section 3.3, "asymmetric"). The weights it starts
from, the regulariser and the schedule are the paper's (soft.py). Ours are: the loss is in units of what rounding to
nearest costs a weight, as at 8 bits it is far smaller than at the 4 bits of the paper, and the regulariser would drown
it; with fewer than the paper's 10,000 steps the learning rate is larger, so that V can travel as far; and a block
for which what was learned is no better than rounding to nearest is rounded to nearest.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from streamd.frames import F32
from streamd.int8.bias import fitting
from streamd.int8.frontier import Frontier
from streamd.int8.graph import Graph
from streamd.int8.placement import Placement
from streamd.int8.refine import crops
from streamd.int8.refine.blocks import Block, blocks
from streamd.int8.refine.checkpoint import Checkpoint
from streamd.int8.refine.device import settle
from streamd.int8.refine.network import Network
from streamd.int8.refine.soft import SoftWeight, beta, undecided
from streamd.int8.scales import I8, Scales, quantize_weight
from streamd.int8.session import Array

BUDGET = 2 << 30  # bytes of activations held at a time
LAMBDA = 0.01  # of the regulariser
RATE, STEPS = 1e-3, 10_000  # the paper's
FASTEST = 0.05  # learning rate

JUDGED = 16  # samples that what was learned is judged on, drawn beforehand

Pictures = Sequence[Mapping[str, Array]]
Sample = tuple[list[int], list[tuple[slice, ...]]]  # pictures, and the window of each


@dataclass(frozen=True, slots=True)
class Options:
    """`block` layers are reconstructed together, in so many steps, each on a `window` of each of `batch` pictures.

    A `window` of 0 is the whole.
    """

    way: ClassVar[str] = "adaround"

    steps: int = 2000
    batch: int = 8
    block: int = 1
    window: int = 32
    device: str = "cpu"
    seed: int = 0


@dataclass(slots=True)
class Learned:
    """The codes of all layers, and for each block its error relative to that of rounding to nearest."""

    weights: dict[str, tuple[I8, F32]]
    errors: dict[str, float]


def learn(
    graph: Graph,
    placement: Placement,
    scales: Scales,
    inputs: Sequence[Array],
    options: Options,
    checkpoint: Checkpoint | None = None,
    *,
    teacher: Graph | None = None,
    budget: int = BUDGET,
    advance: Callable[[], None] = lambda: None,
) -> Learned:
    """Learn the rounding of all weights that `scales` quantize.

    `inputs` are what the model is fed, one array a picture; fewer are used, evenly chosen, where their activations
    would not fit `budget` bytes. `teacher` is the float model, where `graph` is the same with biases that only suit
    rounded weights (streamd/int8/bias.py). `checkpoint` keeps every finished block, and gives back those of an
    earlier, interrupted, run. `advance` is called after each of `blocks`.

    Raises:
        ModelError: the model has an operator that torch is not taught here, or cannot be run.
        DataError: the checkpoint cannot be written.
    """
    checkpoint = checkpoint or Checkpoint(None, "")
    settle(options.device)
    used = fitting(graph, inputs, budget // 2)
    teacher = teacher or graph
    own = replace(scales, weights=dict(scales.weights))
    exact, rounded = Frontier(teacher, placement, Scales(), used, ()), Frontier(graph, placement, own, used, ())
    learned = Learned({}, {})
    both = (blocks(one, placement, scales, options.block) for one in (graph, teacher))
    for number, (block, true) in enumerate(zip(*both, strict=True)):
        found = _kept(checkpoint.load(block.layers[0]), block)
        if found is None:
            exact.move(block.start)
            rounded.move(block.start)
            problem = _Problem(block, true, placement, own, exact.pictures, rounded.pictures, options)
            found = _reconstructed(problem, block, own, options, np.random.default_rng((options.seed, number)))
            checkpoint.save(block.layers[0], _flat(found))
        own.weights.update(found.weights)
        learned.weights.update(found.weights)
        learned.errors.update(found.errors)
        advance()
    return learned


class _Problem:
    """One block: what the float and the quantized network feed it, and how far it is from what it shall answer."""

    def __init__(
        self,
        block: Block,
        true: Block,
        placement: Placement,
        scales: Scales,
        exact: Pictures,
        rounded: Pictures,
        options: Options,
    ) -> None:
        self._outputs = block.outputs
        self.network = Network(block.part, block.outputs, placement, options.device)
        self._true = Network(true.part, block.outputs, placement, options.device)
        self._count = len(exact)
        self._exact, self._rounded = (
            crops.Held(each, self.network.inputs, options.device) for each in (exact, rounded)
        )
        self._scales = {
            name: torch.tensor(scales.activations[name], device=options.device)
            for name in self.network.pairs
            if name in scales.activations
        }
        self._batch = options.batch if self.network.batches else 1
        self._size = options.window if crops.able(self.network, exact[0]) else 0
        self._sides = exact[0][self.network.inputs[0]].shape[2:] if self._size else ()
        self._energies: dict[str, float] = {}

    def draw(self, random: np.random.Generator) -> Sample:
        """Return pictures, and windows of them."""
        chosen = random.integers(self._count, size=self._batch).tolist()
        return chosen, crops.drawn(self._sides, self._batch, self._size, random) if self._size else []

    def loss(self, weights: Mapping[str, Tensor], sample: Sample) -> Tensor:
        """Return the squared error of the block's answers relative to their energy."""
        with torch.no_grad():
            wanted = self._true.run(self._exact.stacked(*sample))
        made = self.network.run(self._rounded.stacked(*sample), self._scales, weights)
        for name in self._outputs:
            if name not in self._energies:  # asked of the device once
                self._energies[name] = max(float(wanted[name].square().mean()), 1e-30)
        return sum(functional.mse_loss(made[name], wanted[name]) / self._energies[name] for name in self._outputs)

    def mean(self, weights: Mapping[str, Tensor], samples: Sequence[Sample]) -> float:
        """Return the mean loss over `samples`."""
        with torch.no_grad():
            return sum(float(self.loss(weights, sample)) for sample in samples) / len(samples)


def _reconstructed(
    problem: _Problem, block: Block, scales: Scales, options: Options, random: np.random.Generator
) -> Learned:
    soft = {name: _soft(problem.network, block.part, name, scales) for name in block.layers}
    samples = [problem.draw(random) for _ in range(JUDGED)]
    nearest = problem.mean({name: one.nearest() for name, one in soft.items()}, samples)
    _optimise(soft, problem, nearest, options, random)
    error = problem.mean({name: one.hard() for name, one in soft.items()}, samples)
    worse = not error < nearest
    codes = {name: one.codes(nearest=worse) for name, one in soft.items()}
    return Learned(codes, {block.layers[0]: 1.0 if worse else error / nearest})


def _optimise(
    soft: Mapping[str, SoftWeight], problem: _Problem, nearest: float, options: Options, random: np.random.Generator
) -> None:
    count = sum(one.logits.numel() for one in soft.values())
    rate = min(RATE * max(STEPS / options.steps, 1.0), FASTEST)
    adam = torch.optim.Adam([one.logits for one in soft.values()], lr=rate, fused=True)  # steps are many and small
    for step in range(options.steps):
        upward = {name: one.upward() for name, one in soft.items()}
        error = problem.loss({name: one.soft(upward[name]) for name, one in soft.items()}, problem.draw(random))
        error = error * (count / max(nearest, 1e-30))
        exponent = beta(step, options.steps)
        if exponent < torch.inf:
            error = error + LAMBDA * sum(undecided(one, exponent) for one in upward.values())
        adam.zero_grad()
        error.backward()
        adam.step()


def _soft(network: Network, graph: Graph, layer: str, scales: Scales) -> SoftWeight:
    node = next(node for node in graph.nodes if node.name == layer)
    weight, axis = graph.constant(node.input[1]), graph.weight_axis(node)
    assert weight is not None
    assert axis is not None
    bias = graph.constant(node.input[2]) if len(node.input) > 2 and node.input[2] else None
    _, scale = quantize_weight(weight, axis, bias, scales.activations[node.input[0]])
    return SoftWeight(network.weight(layer), scale, axis)


def _flat(found: Learned) -> dict[str, Array]:
    flat: dict[str, Array] = {"errors": np.array(list(found.errors.values()))}
    for name, (codes, scale) in found.weights.items():
        flat |= {f"{name}/codes": codes, f"{name}/scale": scale}
    return flat


def _kept(flat: Mapping[str, Array] | None, block: Block) -> Learned | None:
    if flat is None:
        return None
    weights = {name: (flat[f"{name}/codes"], flat[f"{name}/scale"]) for name in block.layers}
    return Learned(weights, {block.layers[0]: float(flat["errors"][0])})
