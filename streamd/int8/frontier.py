"""The activations of some pictures at one cut through a model, moved on from cut to cut.

Whoever asks what a change deep inside a model does asks it of every group in turn. The frontier moves with the
questions: together they run the part before the change once, not once a question. It holds one cut of every picture
and nothing else, so its memory is known beforehand (`cuts`).
"""

from collections.abc import Mapping, Sequence

from streamd.int8.graph import Graph
from streamd.int8.placement import Placement
from streamd.int8.scales import Scales
from streamd.int8.session import Array, Session
from streamd.int8.stretch import crossing, session, stretch

BUDGET = 512 << 20  # bytes of activations held at a time


class Frontier:
    """What every picture comes to just before node number `at`.

    It keeps what later nodes read, and `wanted`, tensors that are to be had at the end. It is moved through the model
    as `scales` quantize it; empty scales are the float model.
    """

    def __init__(
        self, graph: Graph, placement: Placement, scales: Scales, inputs: Sequence[Array], wanted: Sequence[str]
    ) -> None:
        """`inputs` are what the model is fed, one array a picture."""
        self._graph, self._placement, self._scales = graph, placement, scales
        self._wanted = tuple(wanted)
        self.at = 0
        self.pictures: list[dict[str, Array]] = [{graph.inputs[0]: one} for one in inputs]

    def move(self, at: int) -> None:
        """Go on to just before node number `at`, which is not before where it stands.

        Raises:
            ModelError: the model cannot be run.
        """
        if at <= self.at:
            return
        names = crossing(self._graph, at, self._wanted)
        part = stretch(self._graph, self.at, at, names)
        made = session(part, self._placement, self._scales) if part.nodes else None
        for i, live in enumerate(self.pictures):
            values = run(made, part, live) if made else {}
            self.pictures[i] = {name: value for name, value in (live | values).items() if name in names}
        self.at = at


def run(made: Session, part: Graph, live: Mapping[str, Array]) -> dict[str, Array]:
    """Run a session of the stretch `part` on what is `live` at its cut."""
    return made.run({name: live[name] for name in part.inputs}, part.outputs)


def cuts(
    graph: Graph, starts: Sequence[int], sizes: Mapping[str, int], pictures: int, budget: int = BUDGET
) -> list[int]:
    """Return, for each of `starts`, the last cut at or before it that `budget` bytes allow for so many pictures.

    The cut before the first node is always allowed: it holds the pictures themselves.
    """
    unknown = budget + 1  # bytes: a cut through a tensor of unknown size is not allowed
    held = {at: sum(sizes.get(name, unknown) for name in crossing(graph, at)) for at in set(starts)}
    allowed = sorted(at for at, bytes_ in held.items() if bytes_ * pictures <= budget)
    return [max((at for at in allowed if at <= start), default=0) for start in starts]
