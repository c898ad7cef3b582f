"""How long one run of each model takes: median and 95th percentile after a warm-up, the models in turn.

Runs of different models alternate, so that whatever else the machine does falls on all of them alike. What is timed
is the backend's run alone, on real pictures, with nothing beside it: from inputs in host memory to outputs there.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from streamd.frames import Picture
from streamd.score.served import Served

WARM_UP = 3
LEAST, MOST = 10, 200  # timed runs of a model
BUDGET_S = 4.0  # for the timed runs of a model between those bounds


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds of one run of `batch` pictures."""

    batch: int
    median_ms: float
    p95_ms: float


def measure(
    models: Sequence[Served],
    pictures: Sequence[Picture],
    now_ns: Callable[[], int] = time.perf_counter_ns,
) -> list[Latency]:
    """Time each model on as many of `pictures` as its batch holds, repeated where they are fewer."""
    if not models:
        return []
    slots = [_prepared(model, pictures) for model in models]
    timed: list[list[int]] = [[] for _ in models]
    rounds = LEAST
    for turn in range(WARM_UP + MOST):
        if turn == WARM_UP + rounds:
            break
        for model, slot, times in zip(models, slots, timed, strict=True):
            began = now_ns()
            model.backend.run(slot, model.backend.batch)
            model.backend.outputs(slot, model.backend.batch)  # a GPU may still be at it
            if turn >= WARM_UP:
                times.append(now_ns() - began)
        if turn == WARM_UP:
            slowest_s = max(times[0] for times in timed) / 1e9
            rounds = int(np.clip(BUDGET_S / max(slowest_s, 1e-6), LEAST, MOST))
    for model, slot in zip(models, slots, strict=True):
        model.backend.ring.finish(slot)
        model.backend.ring.release(slot)
    return [
        Latency(model.backend.batch, float(np.median(times)) / 1e6, float(np.percentile(times, 95)) / 1e6)
        for model, times in zip(models, timed, strict=True)
    ]


def _prepared(model: Served, pictures: Sequence[Picture]) -> int:
    slot = model.backend.ring.acquire()
    model.fill([pictures[index % len(pictures)] for index in range(model.backend.batch)], slot)
    model.backend.ring.fill(slot)
    model.backend.ring.start(slot)
    return slot
