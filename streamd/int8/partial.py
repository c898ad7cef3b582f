"""Partial quantization: the fewest groups left in float for which the answers are good enough.

Groups are ranked by what each loses alone. Of those that fit a cap on multiply-adds the shortest prefix that reaches
the target is found by bisection, and then every group of it, the dearest first, is put back where the target holds
without it: a rank says what a group loses alone, not what leaving it out wins. Every step is a run of the model with
exactly those groups in float, so what is promised was measured.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from streamd.int8.groups import Group

Judge = Callable[[Sequence[Group]], float]  # groups left in float -> drop


@dataclass(slots=True)
class Found:
    """The groups `left` in float, the drop with them, and without any; `reached` tells whether the target was.

    `share` is that of the model's multiply-adds in float, `base` that without any group left so. `steps` are the sets
    that were tried and their drops.
    """

    left: list[Group]
    drop: float
    plain: float
    share: float
    base: float
    reached: bool
    steps: list[tuple[int, float]] = field(default_factory=list)


def search(
    ranked: Sequence[Group],
    judge: Judge,
    share: Callable[[Sequence[Group]], float],
    *,
    target: float,
    cap: float,
    advance: Callable[[], None] = lambda: None,
) -> Found:
    """Find the groups to leave in float, of `ranked`, the most sensitive first.

    `share` tells which share of multiply-adds is in float when some groups are; it never exceeds `cap`. Where the
    target cannot be reached, the best of what was tried is returned. `advance` is called after every step.
    """
    steps: list[tuple[int, float]] = []
    known: dict[frozenset[Group], float] = {}

    def drop(left: Sequence[Group]) -> float:
        key = frozenset(left)
        if key not in known:
            known[key] = judge(left)
            steps.append((len(left), known[key]))
            advance()
        return known[key]

    plain, base = drop([]), share([])
    able = affordable(ranked, share, cap)
    if plain <= target or not able:
        return Found([], plain, plain, base, base, plain <= target, steps)
    if drop(able) <= target:
        left = able[: _bisected(able, drop, target)]
    else:
        left = min((able[:k] for k in _ladder(len(able))), key=drop)
    reached = drop(left) <= target
    if reached:
        left = _pruned(left, drop, target)
    return Found(left, drop(left), plain, share(left), base, reached, steps)


def affordable(ranked: Sequence[Group], share: Callable[[Sequence[Group]], float], cap: float) -> list[Group]:
    """Return as many of `ranked` as stay within `cap`, passing over those that do not fit."""
    taken: list[Group] = []
    for group in ranked:
        if share([*taken, group]) <= cap:
            taken.append(group)
    return taken


def _bisected(able: Sequence[Group], drop: Judge, target: float) -> int:
    """Return how many of `able` reach the target, taken as if more were never worse; all of them do."""
    fails, works = 0, len(able)
    while works - fails > 1:
        middle = (fails + works) // 2
        if drop(able[:middle]) <= target:
            works = middle
        else:
            fails = middle
    return works


def _pruned(left: Sequence[Group], drop: Judge, target: float) -> list[Group]:
    kept = list(left)
    for group in sorted(left, key=lambda one: -one.macs):
        fewer = [one for one in kept if one is not group]
        if fewer and drop(fewer) <= target:
            kept = fewer
    return kept


def _ladder(most: int) -> list[int]:
    """Return 0, 1, 2, 4, ... up to `most`."""
    steps = [0] + [2**i for i in range(most.bit_length()) if 2**i < most]
    return [*steps, most]
