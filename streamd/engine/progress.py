"""How far a build is, from the nested phases that TensorRT reports: a fraction, and the phase it is in. Pure.

A phase has steps, and a phase may run within a step of another: a step that has begun counts as far as the phase in it
has come. Phases of one step may follow each other, and how many will is not known: the fraction never goes back.
"""

from dataclasses import dataclass


@dataclass(slots=True)
class _Phase:
    parent: str | None
    steps: int
    done: int = 0


class Progress:
    """Is told of phases as an IProgressMonitor is. They are known by their names, which TensorRT keeps apart."""

    def __init__(self) -> None:
        self._phases: dict[str, _Phase] = {}
        self._fraction = 0.0

    def start(self, name: str, parent: str | None, steps: int) -> None:
        """A phase of so many steps begins, within the phase `parent` or within none."""
        self._phases[name] = _Phase(parent, max(1, steps))

    def step(self, name: str, index: int) -> None:
        """The step `index` of a phase, counted from 0, is done."""
        if name in self._phases:
            self._phases[name].done = index + 1

    def finish(self, name: str) -> None:
        """A phase has ended, at its end or before it."""
        phase = self._phases.pop(name, None)
        if phase is not None and phase.parent is None:
            self._fraction = 1.0

    @property
    def fraction(self) -> float:
        """How much is done, 0 to 1."""
        roots = [name for name, phase in self._phases.items() if phase.parent not in self._phases]
        now = max((self._done(name) for name in roots), default=0.0)
        self._fraction = max(self._fraction, now)
        return self._fraction

    @property
    def phase(self) -> str:
        """The innermost phase that began last; empty where none runs."""
        return next(reversed(self._phases), "")

    def _done(self, name: str) -> float:
        phase = self._phases[name]
        within = max((self._done(child) for child, one in self._phases.items() if one.parent == name), default=0.0)
        return min(1.0, (phase.done + within) / phase.steps)
