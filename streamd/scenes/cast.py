"""Fills a planned street: what is parked and what stands about, who walks, rides and drives."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from streamd.scenes import clutter
from streamd.scenes.bicycles import bicycle
from streamd.scenes.camera import F64
from streamd.scenes.cars import car
from streamd.scenes.motion import Actor, Crossing, Flow, InLane, Strolling, steady
from streamd.scenes.paint import Placed
from streamd.scenes.palette import Palette
from streamd.scenes.people import Person
from streamd.scenes.plan import Plan, Side
from streamd.scenes.shapes import Shape
from streamd.scenes.trucks import truck

PERSON, CAR, TRUCK, BICYCLE, NOTHING = 0, 1, 2, 3, -1
_LENGTH_M = {CAR: 4.6, TRUCK: 8.4, BICYCLE: 1.9}


@dataclass(frozen=True, slots=True)
class Standing:
    """A thing that never moves, and its class, `NOTHING` for clutter."""

    thing: Placed
    class_id: int


@dataclass(frozen=True, slots=True)
class Cast:
    """All the things of one scene, and where lamp heads hang (L, 2: x, z)."""

    standing: tuple[Standing, ...]
    actors: tuple[Actor, ...]
    lamps: tuple[tuple[float, float], ...]


def furnish(plan: Plan, palette: Palette, rng: np.random.Generator) -> tuple[list[Standing], list[tuple[float, float]]]:
    """Return what stands about and is no class, and the lamp heads."""
    things: list[Standing] = []
    lamps: list[tuple[float, float]] = []
    z0, z1 = plan.span
    for side in plan.sides:
        inward = -side.sign * math.pi / 2
        for z in np.arange(z0 + rng.uniform(0, 12), z1, float(rng.uniform(14, 22))):
            if not _blocked(plan, side, float(z)):
                x = side.sign * (side.kerb + (0.5 if plan.road else 6.0))
                things.append(_stood(clutter.lamp_post(palette, rng), x, float(z), inward))
                lamps.append((x - side.sign * clutter.LAMP_ARM_M, float(z)))
        if rng.random() < 0.6:
            offset = 0.9 if side.line - side.kerb > 3.2 else -2.5 + side.line - side.kerb + 4.0
            x = side.sign * (side.kerb + offset)
            things += [
                _stood(clutter.tree(palette, rng), x, float(z), 0.0)
                for z in np.arange(z0 + rng.uniform(0, 9), z1, float(rng.uniform(7, 15)))
                if not _blocked(plan, side, float(z)) and rng.random() < 0.8
            ]
        things += _furniture(plan, side, palette, rng)
        if side.frontage != "buildings":
            things += _greenery(plan, side, palette, rng)
    if plan.zebra is not None:
        for side, dz, heading in ((plan.left, 2.3, 0.0), (plan.right, -2.3, math.pi)):
            things.append(
                _stood(clutter.traffic_light(palette, rng), side.sign * (side.kerb + 0.35), plan.zebra + dz, heading)
            )
    return things, lamps


def clear_of(standing: list[Standing], camera: F64) -> list[Standing]:
    """Return those that do not stand right before the camera: what is tall keeps 11 m away, the rest 5 m."""

    def away(thing: Placed) -> bool:
        tall = float(thing.shape.points[:, 1].max()) > 2.2
        return math.hypot(thing.at[0] - camera[0], thing.at[2] - camera[2]) > (11.0 if tall else 5.0)

    return [entry for entry in standing if away(entry.thing)]


def park(plan: Plan, palette: Palette, rng: np.random.Generator) -> list[Standing]:
    """Return the parked cars, trucks and bicycles."""
    things: list[Standing] = []
    z0, z1 = plan.span
    for side in plan.sides:
        if side.parking:
            fill = float(rng.uniform(0.3, 0.95))
            heading = 0.0 if side.sign > 0 else math.pi
            for z in np.arange(6 * math.floor(z0 / 6) + 3, z1, 6.0):
                if rng.random() < fill and not _blocked(plan, side, z, 5.0):
                    is_truck = rng.random() < 0.1
                    shape = truck(rng) if is_truck else car(rng)
                    things.append(
                        Standing(
                            _put(shape, side.sign * (side.kerb - 1.12), z + float(rng.normal(0, 0.25)), heading),
                            TRUCK if is_truck else CAR,
                        )
                    )
        if rng.random() < 0.45:
            z, x = (
                float(rng.uniform(z0 + 6, max(z1 * 0.6, z0 + 8))),
                side.sign * (side.kerb + float(rng.uniform(1.0, 1.3))),
            )
            things.append(_stood(clutter.rack(palette, rng), x, z, -math.pi / 2))
            for i in range(int(rng.integers(1, 6))):
                turn = (math.pi / 2 if rng.random() < 0.7 else -math.pi / 2) + float(rng.normal(0, 0.08))
                things.append(Standing(_put(bicycle(rng)(float(rng.uniform(0, 6))), x, z + 0.75 * i, turn), BICYCLE))
    if plan.junction is not None:
        for i in range(int(rng.integers(0, 4))):
            x = plan.right.line + 3.5 + 6 * i
            is_truck = rng.random() < 0.2
            shape = truck(rng) if is_truck else car(rng)
            things.append(
                Standing(
                    _put(shape, x, plan.junction + 1.6, math.pi / 2 * (1 if rng.random() < 0.5 else -1)),
                    TRUCK if is_truck else CAR,
                )
            )
    if not plan.road:
        for _ in range(int(rng.integers(0, 4))):
            is_truck = rng.random() < 0.5
            shape = truck(rng) if is_truck else car(rng)
            x, z = (
                rng.uniform(-plan.left.line * 0.3, plan.right.line - 2),
                rng.uniform(z0 + 8, max(z0 + 10, min(z1, 40))),
            )
            things.append(Standing(_put(shape, x, z, float(rng.uniform(0, 2 * math.pi))), TRUCK if is_truck else CAR))
    return things


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
        speed = float(rng.uniform(0.9, 1.7))
        path = Strolling(
            (float(rng.uniform(0, size[0])), float(rng.uniform(0, size[1]))),
            float(rng.uniform(0, 2 * math.pi)),
            speed,
            low,
            size,
        )
        actors.append(Actor(PERSON, path, _walker(Person.drawn(rng), speed, rng)))
    for _ in range(int(rng.integers(0, 6))):
        speed = float(rng.uniform(2.5, 5))
        path = Strolling(
            (float(rng.uniform(0, size[0])), float(rng.uniform(0, size[1]))),
            float(rng.uniform(0, 2 * math.pi)),
            speed,
            low,
            size,
        )
        actors += _rider(path, speed, rng)
    return actors


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


def _furniture(plan: Plan, side: Side, palette: Palette, rng: np.random.Generator) -> list[Standing]:
    makers, weights = zip(*clutter.FURNITURE.values(), strict=True)
    share = np.array(weights) / sum(weights)
    z0, z1 = plan.span
    things: list[Standing] = []
    for _ in range(int(rng.poisson((z1 - z0) / 60 * rng.uniform(3, 12)))):
        z = float(rng.uniform(z0, z1))
        x = side.sign * (
            side.kerb + 0.55 if rng.random() < 0.55 and plan.road else side.line - float(rng.uniform(0.4, 0.7))
        )
        if not _blocked(plan, side, z):
            turn = -side.sign * math.pi / 2 if rng.random() < 0.6 else float(rng.uniform(0, 2 * math.pi))
            things.append(_stood(makers[rng.choice(len(makers), p=share)](palette, rng), x, z, turn))
    for maker, chance in ((clutter.shelter, 0.22), (clutter.kiosk, 0.12), (clutter.skip, 0.14)):
        z = float(rng.uniform(z0 + 6, max(min(z1, 50.0), z0 + 8)))
        if rng.random() < chance and side.line - side.kerb > 3.4 and not _blocked(plan, side, z):
            things.append(_stood(maker(palette, rng), side.sign * (side.line - 1.2), z, -side.sign * math.pi / 2))
    return things


def _greenery(plan: Plan, side: Side, palette: Palette, rng: np.random.Generator) -> list[Standing]:
    """Trees, bushes and benches of a park, or of the open side under the camera, where nothing tall may stand."""
    z0, z1 = plan.span
    things: list[Standing] = []
    if side.frontage == "open":
        for _ in range(int(rng.integers(0, 6))):
            maker = (clutter.bush, clutter.planter, clutter.litter_bin, clutter.bollard)[rng.integers(4)]
            things.append(
                _stood(
                    maker(palette, rng),
                    side.sign * (side.line + float(rng.uniform(-0.5, 1.5))),
                    float(rng.uniform(z0, z1)),
                    0.0,
                )
            )
        return things
    for _ in range(int((z1 - z0) / 60 * rng.integers(8, 20))):
        x, z = side.sign * (side.line + float(rng.uniform(1.5, 30))), float(rng.uniform(z0 - 5, z1 + 15))
        if not _blocked(plan, side, z):
            maker = clutter.tree if rng.random() < 0.6 else clutter.bush
            things.append(_stood(maker(palette, rng), x, z, 0.0))
    return things


def _blocked(plan: Plan, side: Side, z: float, room: float = 3.5) -> bool:
    """Return whether `z` must stay free: at the zebra crossing, and where the side road comes in."""
    at_zebra = plan.zebra is not None and abs(z - plan.zebra) < room
    return at_zebra or (side.sign > 0 and plan.junction is not None and abs(z - plan.junction) < room + 2.5)


def _stood(shape: Shape, x: float, z: float, heading: float) -> Standing:
    return Standing(_put(shape, x, z, heading), NOTHING)


def _put(shape: Shape, x: float, z: float, heading: float) -> Placed:
    return Placed(shape, np.array([x, 0.0, z]), heading)
