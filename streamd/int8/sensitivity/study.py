"""The run: what INT8 does to the answers, one fusion group at a time.

alone       one group in INT8, the rest in float: what the group itself loses
all_but     all groups in INT8 but one: what is won back by leaving that group in float
one_by_one  the groups in INT8 one after the other, by depth: how errors add up (cumulative, "interaction")

Only what comes after a group is run for it: the activations just before are kept (streamd/int8/frontier.py).
"""

from collections.abc import Callable, Collection, Iterator
from copy import copy

from streamd.errors import ModelError
from streamd.frames import Detections
from streamd.int8.frontier import BUDGET, Frontier, cuts, run
from streamd.int8.graph import Graph
from streamd.int8.groups import Group, groups, only
from streamd.int8.placement import Placement
from streamd.int8.scales import Scales
from streamd.int8.segments import inferred
from streamd.int8.sensitivity.feed import Feed
from streamd.int8.sensitivity.metrics import Measure, Tally
from streamd.int8.sensitivity.outcome import Outcome
from streamd.int8.sensitivity.parts import ANSWERS, BOXES, Parts, last_tensors, tell_apart
from streamd.int8.session import Array
from streamd.int8.stretch import session, stretch
from streamd.manifest import Manifest

Found = Iterator[tuple[Group, Measure]]


class Study:
    """A model, its groups, some pictures, and the float model's answers to them.

    `groups` are those of the placement, by depth; `parts` tells boxes and scores of the raw answers apart; `quality` is
    the float model's by the measure `outcome`, and `blind` says why it cannot drop, where it cannot; `advance` is
    called after every measure. Memory is bounded by `budget`, the pictures and the answers to them.
    """

    def __init__(
        self,
        graph: Graph,
        manifest: Manifest,
        placement: Placement,
        scales: Scales,
        feed: Feed,
        outcome: Outcome,
        *,
        budget: int = BUDGET,
    ) -> None:
        """Run the float model on all of `feed`.

        Raises:
            ModelError: the model cannot be run, or has nothing that is quantized.
        """
        self._graph, self._placement, self._scales = graph, placement, scales
        self._feed, self._outcome = feed, outcome
        self.outcome = outcome.name
        self.advance: Callable[[], None] = lambda: None
        _, self.sizes = inferred(graph, feed.inputs[0].shape)
        self.groups: list[Group] = groups(graph, placement, self.sizes)
        if not self.groups:
            raise ModelError(f"{graph.name}: nothing in it is quantized", mend="keep less of it in float")
        starts = [group.start for group in self.groups]
        self._cuts = cuts(graph, starts, self.sizes, len(feed.inputs), budget)
        self._kl = "softmax" if manifest.head == "classify" else "sigmoid"
        self.parts, self._expected, found = self._reference(manifest)
        self._outcome.refer(found)
        self.quality = self._outcome.quality(found)
        self.blind = self._outcome.blind(found)

    def alone(self) -> Found:
        """Yield each group with what it alone in INT8 does."""
        frontier = self._frontier(Scales())
        for group, cut in zip(self.groups, self._cuts, strict=True):
            frontier.move(cut)
            yield group, self._measure(frontier, group.tensors)

    def all_but(self) -> Found:
        """Yield each group with how much less is lost when it alone stays in float."""
        every = {name for group in self.groups for name in group.tensors}
        frontier = self._frontier(self._scales)
        full = self._measure(frontier, every)
        for group, cut in zip(self.groups, self._cuts, strict=True):
            frontier.move(cut)
            yield group, full.less(self._measure(frontier, every - set(group.tensors)))

    def one_by_one(self) -> Found:
        """Yield each group with what is lost when it and every group before it are in INT8."""
        frontier = self._frontier(self._scales)
        tensors: set[str] = set()
        for group, cut in zip(self.groups, self._cuts, strict=True):
            frontier.move(cut)
            tensors |= set(group.tensors)
            yield group, self._measure(frontier, tensors)

    def of(self, tensors: Collection[str]) -> Measure:
        """Return what is lost when exactly `tensors` are in INT8."""
        return self._measure(self._frontier(Scales()), tensors)

    def rescaled(self, scales: Scales) -> "Study":
        """Return this study with other scales for the same placement; the float model is not run again."""
        other = copy(self)
        other._scales = scales
        return other

    def _frontier(self, scales: Scales) -> Frontier:
        return Frontier(self._graph, self._placement, scales, self._feed.inputs, self._wanted)

    @property
    def _wanted(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys([*self.parts.tensors, *self._graph.outputs]))

    def _reference(self, manifest: Manifest) -> tuple[Parts, list[dict[str, Array]], list[Detections]]:
        graph = self._graph
        self.parts = Parts(last_tensors(graph))
        answers, found = [], []
        frontier = self._frontier(Scales())
        for i, values in enumerate(self._answers(frontier, ())):
            if i == 0:
                self.parts = tell_apart(graph, manifest, values | frontier.pictures[0])
            answers.append(self.parts.split(values))
            found.append(self._outcome.read(values, i))
        return self.parts, answers, found

    def _answers(self, frontier: Frontier, tensors: Collection[str]) -> Iterator[dict[str, Array]]:
        """Yield, picture by picture, the raw answers and the outputs when `tensors` after the cut are in INT8."""
        graph = self._graph
        part = stretch(graph, frontier.at, len(graph.nodes), self._wanted)
        made = session(part, self._placement, only(self._scales, tensors))
        for live in frontier.pictures:
            yield live | run(made, part, live)

    def _measure(self, frontier: Frontier, tensors: Collection[str]) -> Measure:
        tallies: dict[str, Tally] = {}
        found: list[Detections] = []
        for i, values in enumerate(self._answers(frontier, tensors)):
            for part, answer in self.parts.split(values).items():
                kl = "" if part in {BOXES, ANSWERS} else self._kl
                tallies.setdefault(part, Tally()).add(self._expected[i][part], answer, kl)
            found.append(self._outcome.read(values, i))
        drop = self.quality - self._outcome.quality(found)
        self.advance()
        return Measure.of(tallies, drop)
