"""Who walks and stands, rides and drives in a planned street."""

import math
from collections.abc import Callable

import numpy as np

from streamd.scenes.bicycles import bicycle
from streamd.scenes.cars import car
from streamd.scenes.cast import BICYCLE, CAR, PERSON, TRUCK
from streamd.scenes.motion import Actor, Crossing, Flow, InLane, Strolling, steady
from streamd.scenes.people import Person
from streamd.scenes.plan import Plan, Side
from streamd.scenes.shapes import Shape
from streamd.scenes.trucks import truck

_LENGTH_M = {CAR: 4.6, TRUCK: 8.4, BICYCLE: 1.9}


def populate(plan: Plan, rng: np.random.Generator) -> list[Actor]:
    """Return everyone and everything that moves, and those who stand or sit."""
    z0, z1 = plan.span
    loop = z1 - z0 + 24.0
    stops = plan.zebra is not None and rng.random() < 0.8
    flow = Flow(loop, float(rng.uniform(6, 9)), float(rng.uniform(6, 9)) if stops else 0.0, float(rng.uniform(0, 40)))
    actors: list[Actor] = []
    way = 1 if rng.random() < 0.7 else -1  # which hand traffic keeps to
    lanes = (
        []
        if not plan.road
        else [
            (s * (plan.road / 2 if plan.road < 5 else off), s * way)
            for s in (-1, 1)
            for off in ((0.0,) if plan.road < 5 else (1.6, 4.7))
        ]
    )
    density = float(rng.uniform(0.25, 1.0))
    for x, direction in lanes:
        own = flow if stops else steady(rng, loop, float(rng.uniform(5, 11)))
        actors += _traffic(plan, own, (x, direction), density, rng)
    for side in plan.sides:
        actors += _pavement(plan, side, rng)
        if side.cycle_lane:
            own = flow if stops else steady(rng, loop, float(rng.uniform(3.5, 6)))
            for start in _starts(loop, 6.0, float(rng.uniform(0.1, 0.5)), rng):
                actors += _rider(
                    InLane(own, side.sign * (plan.road + 0.85), z0 - 12, start, side.sign * way), own.speed, rng
                )
    if stops and plan.zebra is not None:
        for _ in range(int(rng.integers(1, 8))):
            late = float(rng.uniform(0.02, 0.3))
            who = Crossing(
                flow,
                plan.zebra + float(rng.uniform(-1.3, 1.3)),
                -plan.left.kerb - float(rng.uniform(0.3, 1.2)),
                plan.right.kerb + float(rng.uniform(0.3, 1.2)),
                late,
            )
            actors.append(Actor(PERSON, who, _walker_who_waits(Person.drawn(rng), who)))
    if not plan.road:
        actors += _square(plan, rng)
    return actors


def _traffic(plan: Plan, flow: Flow, lane: tuple[float, int], density: float, rng: np.random.Generator) -> list[Actor]:
    actors: list[Actor] = []
    low, (x, way) = plan.span[0] - 12, lane
    at = float(rng.uniform(0, 8))
    while at < flow.loop_m - 6:
        kind = (CAR, TRUCK, BICYCLE)[rng.choice(3, p=(0.64, 0.26, 0.10))]
        length = _LENGTH_M[kind]
        start = at + length / 2
        stands_on_zebra = plan.zebra is not None and abs(low + start - plan.zebra) < length / 2 + 2.6
        if rng.random() < density and not (stands_on_zebra and flow.stop_s):
            where = InLane(flow, x + float(rng.normal(0, 0.08)), low, start, way)
            if kind == BICYCLE:
                actors += _rider(where, flow.speed, rng)
            else:
                actors.append(Actor(kind, where, _same(truck(rng) if kind == TRUCK else car(rng))))
        at += length + float(rng.uniform(2.2, 9))
    return actors


def _pavement(plan: Plan, side: Side, rng: np.random.Generator) -> list[Actor]:
    """Walkers alone and in company, people who stand about, and those on benches."""
    z0, z1 = plan.span
    size = z1 - z0 + 8
    actors: list[Actor] = []
    inner, outer = side.kerb + 1.3, max(side.line - 0.6, side.kerb + 1.6)
    for _ in range(int(rng.poisson(size / 60 * rng.uniform(2, 9)))):
        heading, speed = (0.0 if rng.random() < 0.5 else math.pi), float(rng.uniform(1.0, 1.7))
        x, start = float(rng.uniform(inner, outer)), float(rng.uniform(0, size))
        for k in range(int(rng.choice((1, 2, 3), p=(0.68, 0.25, 0.07)))):
            low = (side.sign * (x - 0.62 * k), z0 - 4)
            path = Strolling((0.0, start + float(rng.uniform(-0.3, 0.3))), heading, speed, low, (1e9, size))
            actors.append(Actor(PERSON, path, _walker(Person.drawn(rng), speed, rng)))
    for _ in range(int(rng.integers(0, 4))):
        x, z = side.sign * float(rng.uniform(inner, outer)), float(rng.uniform(z0 + 5, min(z1, z0 + 60)))
        for k in range(int(rng.integers(1, 4))):
            turn = float(rng.uniform(0, 2 * math.pi))
            spot = Strolling(
                (0.0, 0.0), turn, 0.0, (x + 0.55 * math.cos(k * 2.1), z + 0.55 * math.sin(k * 2.1)), (1e9, 1e9)
            )
            actors.append(Actor(PERSON, spot, _same(Person.drawn(rng).shape("stand", 0.0))))
    return actors


def _square(plan: Plan, rng: np.random.Generator) -> list[Actor]:
    """People and cyclists who cross a square every way."""
    z0, z1 = plan.span
    low, size = (-plan.left.line - 3, z0 - 4), (plan.left.line + plan.right.line + 6, min(z1, 60.0) - z0 + 8)
    actors: list[Actor] = []
    for _ in range(int(rng.integers(5, 22))):
        path, speed = _crossing(low, size, (0.9, 1.7), rng)
        actors.append(Actor(PERSON, path, _walker(Person.drawn(rng), speed, rng)))
    for _ in range(int(rng.integers(0, 6))):
        path, speed = _crossing(low, size, (2.5, 5), rng)
        actors += _rider(path, speed, rng)
    return actors


def _crossing(
    low: tuple[float, float], size: tuple[float, float], speeds: tuple[float, float], rng: np.random.Generator
) -> tuple[Strolling, float]:
    """Return a way across the place of `size` at `low`, from anywhere in any direction, and the speed in m/s."""
    speed = float(rng.uniform(*speeds))
    start = float(rng.uniform(0, size[0])), float(rng.uniform(0, size[1]))
    return Strolling(start, float(rng.uniform(0, 2 * math.pi)), speed, low, size), speed


def _rider(where: Callable[[float], tuple[float, float, float]], speed: float, rng: np.random.Generator) -> list[Actor]:
    """A bicycle and whoever rides it, as two actors in one place."""
    machine, person, phase = bicycle(rng), Person.drawn(rng), float(rng.uniform(0, 6))
    rate = speed / 1.1
    return [
        Actor(BICYCLE, where, lambda t: machine(-(phase + rate * t))),
        Actor(PERSON, where, lambda t: person.shape("ride", -(phase + rate * t))),
    ]


def _walker(person: Person, speed: float, rng: np.random.Generator) -> Callable[[float], Shape]:
    phase, rate = float(rng.uniform(0, 6)), speed / (0.21 * person.height)
    return lambda t: person.shape("walk", phase + rate * t)


def _walker_who_waits(person: Person, crossing: Crossing) -> Callable[[float], Shape]:
    still = person.shape("stand", 0.0)
    return lambda t: person.shape("walk", t * 5.0) if crossing.moving(t) else still


def _starts(loop_m: float, gap_m: float, density: float, rng: np.random.Generator) -> list[float]:
    """Return places along a loop, at least `gap_m` apart, of which `density` are taken."""
    return [
        float(at + rng.uniform(0, gap_m / 2))
        for at in np.arange(0, loop_m - gap_m, 1.5 * gap_m)
        if rng.random() < density
    ]


def _same(shape: Shape) -> Callable[[float], Shape]:
    return lambda _: shape
