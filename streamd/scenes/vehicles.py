"""Cars, trucks and bicycles in metres, front towards +z, wheels on the ground.

A body is rings of eight corners, lowest first, so that flat shading rounds it; doors, glass and lights are faces laid
on afterwards. Convex bodies need no sorting within.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from streamd.scenes.shapes import Bgr, Point, Shape, Sketch, blend, circle, tint

_PAINT: tuple[Bgr, ...] = (
    (235, 235, 238), (150, 152, 155), (60, 62, 66), (28, 28, 32), (150, 70, 30), (40, 40, 170), (60, 110, 60),
    (190, 160, 110), (50, 130, 210), (120, 60, 90), (90, 160, 190), (170, 120, 40), (200, 205, 190),
)  # fmt: skip
_GLASS: Bgr = (95, 78, 66)
_TYRE: Bgr = (32, 31, 31)
_CHROME: Bgr = (190, 190, 192)
HEADLAMP: Bgr = (225, 245, 255)
TAIL: Bgr = (45, 40, 225)


@dataclass(frozen=True, slots=True)
class _Build:
    """Measures of a kind of car in metres: where bonnet, glass and roof begin and end along the car, from the rear."""

    length: float
    width: float
    height: float
    belt: float
    bonnet: float  # length of the bonnet
    boot: float  # length of the boot
    rake: tuple[float, float]  # how far windscreen and rear window lean


_BUILDS = (
    _Build(4.0, 1.76, 1.48, 0.92, 1.02, 0.10, (0.72, 0.35)),  # hatchback
    _Build(4.6, 1.82, 1.44, 0.92, 1.20, 0.75, (0.80, 0.55)),  # saloon
    _Build(4.6, 1.82, 1.50, 0.95, 1.15, 0.08, (0.78, 0.40)),  # estate
    _Build(4.5, 1.90, 1.70, 1.05, 1.10, 0.06, (0.60, 0.28)),  # off-roader
    _Build(3.6, 1.66, 1.50, 0.93, 0.78, 0.05, (0.62, 0.22)),  # city car
    _Build(4.4, 1.80, 1.28, 0.86, 1.35, 0.50, (0.85, 0.70)),  # coupe
)


def car(rng: np.random.Generator) -> Shape:
    """Return a car of some kind and colour."""
    build = _BUILDS[rng.integers(len(_BUILDS))]
    paint = tint(_PAINT[rng.integers(len(_PAINT))], float(rng.uniform(0.85, 1.1)))
    sketch = Sketch()
    half, w = build.length / 2, build.width / 2
    wheel_z = (half - 0.82, -half + 0.80)
    _underside(sketch, w, half, wheel_z, 0.31)
    nose, tail = half - build.bonnet, -half + build.boot
    rings = [
        _ring(w - 0.06, -half + 0.05, half - 0.06, 0.26),
        _ring(w, -half, half, 0.48),
        _ring(w, -half + 0.01, half - 0.02, 0.64),
        _belt(w - 0.07, (-half + 0.05, tail), (nose, half - 0.12), build.belt),
    ]
    sketch.rings(rings, paint, lid=tint(paint, 1.04))
    _sides(sketch, build, paint, wheel_z)
    _ends(sketch, w, half, build.belt)
    _greenhouse(sketch, build, paint, (tail, nose))
    return sketch.shape()


def truck(rng: np.random.Generator) -> Shape:
    """Return a truck with one of four loads."""
    paint = tint(_PAINT[rng.integers(len(_PAINT))], float(rng.uniform(0.85, 1.1)))
    length, width = float(rng.uniform(6.2, 8.6)), float(rng.uniform(2.2, 2.5))
    half, w = length / 2, width / 2
    sketch = Sketch()
    wheels = (half - 1.15, -half + 1.3, *((-half + 2.35,) if length > 7.6 else ()))
    _underside(sketch, w, half, wheels, 0.48)
    sketch.box((-w + 0.1, 0.62, -half), (w - 0.1, 0.86, half - 1.9), (52, 50, 50))
    for side in (-1, 1):
        sketch.face(
            _panel(side * (w - 0.08), (0.5, 0.72), (-half + 0.2, half - 2.2), side), (70, 70, 72), normal=(side, 0, 0)
        )
    _tail_lights(sketch, w - 0.12, -half - 0.01, 0.74)
    _cab(sketch, w, half, paint)
    sketch.body()
    load = (_box_body, _curtain_side, _tipper, _tank)[rng.choice(4, p=(0.42, 0.24, 0.2, 0.14))]
    load(sketch, rng, (w, -half, half - 2.0), paint)
    return sketch.shape()


def bicycle(rng: np.random.Generator) -> Callable[[float], Shape]:
    """Return what draws one bicycle with its pedals and spokes turned by an angle in radians."""
    paint = tint(_PAINT[rng.integers(len(_PAINT))], float(rng.uniform(0.9, 1.15)))
    step_through, basket = bool(rng.random() < 0.35), bool(rng.random() < 0.2)

    def drawn(turn: float) -> Shape:
        sketch = Sketch()
        for z in (-0.52, 0.53):
            sketch.body()
            _bicycle_wheel(sketch, z, turn)
        sketch.body()
        _frame(sketch, paint, step_through)
        for side in (-1, 1):
            a = turn + (0 if side < 0 else math.pi)
            pedal = (0.1 * side, 0.29 + 0.17 * math.sin(a), -0.02 + 0.17 * math.cos(a))
            sketch.limb((0.06 * side, 0.29, -0.02), pedal, 0.013, 0.013, _CHROME)
            sketch.limb((pedal[0], pedal[1], pedal[2] - 0.05), (pedal[0], pedal[1], pedal[2] + 0.05), 0.02, 0.02, _TYRE)
        if basket:
            sketch.box((-0.17, 0.78, 0.5), (0.17, 1.0, 0.78), (70, 110, 150), lid=(45, 70, 100))
        sketch.lamp((0.0, 0.85, 0.55), (0, 0, 1), HEADLAMP, 0.5)
        sketch.lamp((0.0, 0.75, -0.75), (0, 0, -1), TAIL, 0.4)
        return sketch.shape()

    return drawn


def _underside(sketch: Sketch, w: float, half: float, wheels: Sequence[float], radius: float) -> None:
    """The far wheels, the dark floor and the near wheels: what shows under a body before it is set on."""
    sketch.box((-w + 0.12, 0.14, -half + 0.25), (w - 0.12, 0.4, half - 0.25), (22, 22, 22))
    for side in (-1, 1):
        for z in wheels:
            sketch.box(
                (side * w - (0.24 if side > 0 else 0.0), 0.0, z - radius * 0.7),
                (side * w + (0.24 if side < 0 else 0.0), radius, z + radius * 0.7),
                _TYRE,
            )


def _wheel(sketch: Sketch, x: float, z: float, radius: float, side: int) -> None:
    """A wheel's outer face: arch, tyre, rim and hub."""
    for grow, dx, colour in (
        (1.2, 0.0, (24, 24, 24)),
        (1.0, 0.012, _TYRE),
        (0.64, 0.02, (165, 165, 168)),
        (0.5, 0.022, (92, 92, 96)),
        (0.2, 0.024, _CHROME),
    ):
        low = 0.0 if grow <= 1 else radius * 0.25
        points = [(px, max(py, low), pz) for px, py, pz in circle((x + dx * side, radius, z), radius * grow)]
        sketch.face(points, colour, normal=(side, 0, 0))


def _ring(w: float, rear: float, front: float, y: float) -> list[Point]:
    """A level ring of eight corners with cut corners, clockwise from above."""
    c = min(0.32, w * 0.4)
    return [
        (-w, y, rear + c), (-w, y, front - c), (-w + c, y, front), (w - c, y, front),
        (w, y, front - c), (w, y, rear + c), (w - c, y, rear), (-w + c, y, rear),
    ]  # fmt: skip


def _belt(w: float, rear: tuple[float, float], front: tuple[float, float], y: float) -> list[Point]:
    """The ring at the windows' lower edge, dropping a little to the bonnet's end."""
    ring = _ring(w, rear[0], front[1], y)
    return [(px, py - (0.2 if pz > front[0] + 0.1 else 0.03), pz) for px, py, pz in ring]


def _panel(x: float, y: tuple[float, float], z: tuple[float, float], side: int) -> list[Point]:
    """An upright rectangle on a side."""
    del side
    return [(x, y[0], z[0]), (x, y[0], z[1]), (x, y[1], z[1]), (x, y[1], z[0])]


def _sides(sketch: Sketch, build: _Build, paint: Bgr, wheel_z: Sequence[float]) -> None:
    w, half = build.width / 2, build.length / 2
    middle = (half - build.bonnet + (-half + build.boot)) / 2
    for side in (-1, 1):
        x = side * (w + 0.005)
        sketch.face(_panel(x, (0.27, 0.36), (wheel_z[1], wheel_z[0]), side), tint(paint, 0.35), normal=(side, 0, 0))
        for z in (middle + 0.02, middle + 1.0, middle - 0.95):
            sketch.face(_panel(x, (0.36, 0.80), (z - 0.012, z + 0.012), side), tint(paint, 0.5), normal=(side, 0, 0))
        for z in (middle - 0.2, middle + 0.8):
            sketch.face(_panel(x, (0.72, 0.755), (z - 0.16, z), side), tint(paint, 0.6), normal=(side, 0, 0))
        for z in wheel_z:
            _wheel(sketch, side * (w + 0.01), z, 0.31, side)


def _ends(sketch: Sketch, w: float, half: float, belt: float) -> None:
    """Lights, grille, plates and bumpers of a car, front and rear."""
    front, rear, top = half + 0.005, -half - 0.005, belt - 0.22
    for x0, x1, y0, y1, colour in (
        (-0.42, 0.42, top - 0.2, top - 0.06, (30, 30, 30)),
        (-0.26, 0.26, 0.36, 0.48, (225, 230, 230)),
        (-w + 0.32, w - 0.32, 0.26, 0.34, (38, 38, 40)),
    ):
        sketch.face([(x1, y0, front), (x0, y0, front), (x0, y1, front), (x1, y1, front)], colour, normal=(0, 0, 1))
        if y0 < top - 0.21:
            sketch.face(
                [(x0, y0 + 0.1, rear), (x1, y0 + 0.1, rear), (x1, y1 + 0.1, rear), (x0, y1 + 0.1, rear)],
                colour,
                normal=(0, 0, -1),
            )
    for side in (-1, 1):
        a, b, c = side * (w - 0.34), side * (w - 0.02), 0.26
        sketch.face(
            [(a, top - 0.18, front), (b, top - 0.16, front - c), (b, top, front - c - 0.06), (a, top - 0.02, front)],
            HEADLAMP,
            normal=(0.35 * side, 0.1, 0.93),
        )
        sketch.lamp((side * (w - 0.22), top - 0.1, front), (0, 0, 1), HEADLAMP, 1.1)
    _tail_lights(sketch, w - 0.04, rear, belt - 0.24)


def _tail_lights(sketch: Sketch, w: float, z: float, y: float) -> None:
    for side in (-1, 1):
        a, b = side * (w - 0.42), side * (w - 0.02)
        sketch.face(
            [(a, y, z), (b, y, z + 0.22), (b, y + 0.15, z + 0.22), (a, y + 0.13, z)],
            TAIL,
            normal=(0.3 * side, 0, -0.95),
        )
        sketch.lamp((side * (w - 0.2), y + 0.07, z), (0, 0, -1), TAIL, 0.7)


def _greenhouse(sketch: Sketch, build: _Build, paint: Bgr, span: tuple[float, float]) -> None:
    """The cabin above the belt: four sloped sides with glass let in, and the roof."""
    w, y0, y1 = build.width / 2 - 0.09, build.belt - 0.04, build.height
    (rear, front), (lean_front, lean_rear) = span, build.rake
    low = [(-w, y0, rear), (-w, y0, front), (w, y0, front), (w, y0, rear)]
    t = w - 0.22
    high = [
        (-t, y1 - 0.05, rear + lean_rear),
        (-t, y1 - 0.05, front - lean_front),
        (t, y1 - 0.05, front - lean_front),
        (t, y1 - 0.05, rear + lean_rear),
    ]
    roof = [(x * 0.82, y1, z * 0.86 + 0.14 * (rear + front) / 2) for x, _, z in high]
    sketch.rings([low, high, roof], paint, lid=tint(paint, 1.02))
    for i in range(4):
        j = (i + 1) % 4
        sketch.face(
            _inset((low[i], low[j], high[j], high[i]), 0.05, 0.1),
            blend(_GLASS, (200, 190, 180), 0.12 if i == 1 else 0.0),
        )
    for side, (a, b, c, d) in ((-1, (low[0], low[1], high[1], high[0])), (1, (low[3], low[2], high[2], high[3]))):
        for at in (0.42, 0.74):
            bottom, top = blend(a, b, at), blend(d, c, at)
            sketch.face(
                [bottom, (bottom[0], bottom[1], bottom[2] + 0.07), (top[0], top[1], top[2] + 0.07), top],
                tint(paint, 0.55),
                normal=(side, 0.3, 0),
            )
        mirror = blend(a, b, 0.93)
        sketch.limb(
            (mirror[0], mirror[1] + 0.06, mirror[2]),
            (mirror[0] + 0.13 * side, mirror[1] + 0.09, mirror[2]),
            0.055,
            0.07,
            tint(paint, 0.8),
        )


def _inset(corners: Sequence[Point], across: float, up: float) -> list[Point]:
    """A quad shrunk within its plane: `across` of its width at either side, `up` of its height above and below."""
    a, b, c, d = (np.array(p) for p in corners)

    def at(u: float, v: float) -> Point:
        point: list[float] = ((a * (1 - u) + b * u) * (1 - v) + (d * (1 - u) + c * u) * v).tolist()
        return point

    return [at(across, up), at(1 - across, up), at(1 - across, 1 - up), at(across, 1 - up)]


def _cab(sketch: Sketch, w: float, half: float, paint: Bgr) -> None:
    sketch.body()
    back, front, top = half - 1.85, half, 2.55
    low, mid, high = (_cab_ring(w, back, f, y) for f, y in ((front, 0.45), (front, 1.35), (front - 0.22, top)))
    sketch.rings([low, mid, high], paint, lid=tint(paint, 1.03))
    sketch.face(_inset((mid[2], mid[3], high[3], high[2]), 0.04, 0.12), _GLASS)
    sketch.face(_inset((low[2], low[3], mid[3], mid[2]), 0.16, 0.3), (40, 40, 42))
    for side in (-1, 1):
        x = side * (w + 0.01)
        sketch.face(
            [(x, 1.4, front - 1.35), (x, 1.4, front - 0.42), (x, 2.2, front - 0.55), (x, 2.2, front - 1.35)],
            _GLASS,
            normal=(side, 0, 0),
        )
        sketch.face(_panel(x, (0.6, 2.3), (front - 1.42, front - 1.4), side), tint(paint, 0.5), normal=(side, 0, 0))
        a, b = side * (w - 0.5), side * (w - 0.16)
        sketch.face(
            [(a, 0.62, front + 0.01), (b, 0.62, front + 0.01), (b, 0.82, front + 0.01), (a, 0.82, front + 0.01)],
            HEADLAMP,
            normal=(0, 0, 1),
        )
        sketch.lamp((side * (w - 0.33), 0.72, front + 0.02), (0, 0, 1), HEADLAMP, 1.2)
        sketch.limb(
            (side * (w + 0.16), 1.5, front - 0.25), (side * (w + 0.16), 2.1, front - 0.25), 0.09, 0.09, (40, 40, 42)
        )
        for z, r in ((front - 1.15, 0.48),):
            _wheel(sketch, side * (w + 0.012), z, r, side)
    sketch.face(
        [
            (w - 0.1, 0.4, front + 0.01),
            (-w + 0.1, 0.4, front + 0.01),
            (-w + 0.1, 0.55, front + 0.01),
            (w - 0.1, 0.55, front + 0.01),
        ],
        (45, 45, 48),
        normal=(0, 0, 1),
    )


def _cab_ring(w: float, back: float, front: float, y: float) -> list[Point]:
    return [
        (-w, y, back),
        (-w, y, front - 0.3),
        (-w + 0.3, y, front),
        (w - 0.3, y, front),
        (w, y, front - 0.3),
        (w, y, back),
    ]


def _rear_wheels(sketch: Sketch, w: float, rear: float, front: float) -> None:
    for side in (-1, 1):
        for z in (rear + 1.3, *((rear + 2.35,) if front - rear > 5.6 else ())):
            _wheel(sketch, side * (w + 0.012), z, 0.48, side)


def _box_body(sketch: Sketch, rng: np.random.Generator, at: tuple[float, float, float], paint: Bgr) -> None:
    w, rear, front = at
    colour: Bgr = (232, 232, 232) if rng.random() < 0.6 else tint(paint, 1.1)
    top = float(rng.uniform(3.0, 3.6))
    sketch.box((-w, 0.86, rear), (w, top, front - 0.1), colour)
    stripe = _PAINT[rng.integers(len(_PAINT))]
    for side in (-1, 1):
        x = side * (w + 0.006)
        y = float(rng.uniform(1.3, 2.2))
        sketch.face(_panel(x, (y, y + 0.5), (rear + 0.3, front - 0.5), side), stripe, normal=(side, 0, 0))
        sketch.face(
            _panel(x, (y + 0.55, y + 0.95), (rear + 1.0, rear + 2.6), side), tint(stripe, 0.7), normal=(side, 0, 0)
        )
    for x in (-w + 0.04, -0.015, w - 0.07):
        sketch.face(
            [
                (x, 0.95, rear - 0.01),
                (x + 0.03, 0.95, rear - 0.01),
                (x + 0.03, top - 0.1, rear - 0.01),
                (x, top - 0.1, rear - 0.01),
            ],
            (110, 110, 112),
            normal=(0, 0, -1),
        )
    _rear_wheels(sketch, w, rear, front)


def _curtain_side(sketch: Sketch, rng: np.random.Generator, at: tuple[float, float, float], paint: Bgr) -> None:
    w, rear, front = at
    colour = tint(_PAINT[rng.integers(len(_PAINT))], 1.0)
    sketch.box((-w, 0.86, rear), (w, 3.3, front - 0.1), colour, lid=tint(colour, 1.05))
    for side in (-1, 1):
        x = side * (w + 0.006)
        for i in range(7):
            z = rear + (front - 0.1 - rear) * (i + 0.5) / 7
            sketch.face(_panel(x, (1.0, 3.2), (z - 0.03, z + 0.03), side), tint(colour, 0.82), normal=(side, 0, 0))
        sketch.face(_panel(x, (0.86, 1.02), (rear, front - 0.1), side), tint(paint, 0.6), normal=(side, 0, 0))
    _rear_wheels(sketch, w, rear, front)


def _tipper(sketch: Sketch, rng: np.random.Generator, at: tuple[float, float, float], paint: Bgr) -> None:
    w, rear, front = at
    colour = blend(paint, (70, 120, 190), float(rng.uniform(0, 0.8)))
    top = float(rng.uniform(1.7, 2.2))
    load: Bgr = ((70, 90, 110), (110, 115, 118), (60, 80, 95))[rng.integers(3)]
    rings = [
        [(x * s, y, z) for x, z in ((-w, rear), (-w, front - 0.15), (w, front - 0.15), (w, rear))]
        for s, y in ((0.9, 0.9), (1.0, top))
    ]
    sketch.rings(rings, colour, lid=load)
    for i in range(5):
        z = rear + (front - rear) * (i + 0.5) / 5
        for side in (-1, 1):
            sketch.face(
                [
                    (side * (w * 0.91 + 0.03), 0.95, z - 0.06),
                    (side * (w * 0.91 + 0.03), 0.95, z + 0.06),
                    (side * (w + 0.03), top, z + 0.06),
                    (side * (w + 0.03), top, z - 0.06),
                ],
                tint(colour, 0.75),
                normal=(side, 0, 0),
            )
        sketch.ball(
            (float(rng.uniform(-0.3, 0.3)), top - 0.1, z),
            float(rng.uniform(0.35, 0.6)),
            tint(load, float(rng.uniform(0.85, 1.1))),
        )
    _rear_wheels(sketch, w, rear, front)


def _tank(sketch: Sketch, rng: np.random.Generator, at: tuple[float, float, float], paint: Bgr) -> None:
    w, rear, front = at
    del paint
    colour: Bgr = ((205, 208, 210), (235, 235, 230), (60, 60, 160))[rng.integers(3)]
    turns = [2 * math.pi * i / 14 for i in range(14)]
    y, r = 1.95, min(w, 1.1)
    ends = [[(r * math.cos(t), y + 0.92 * r * math.sin(t), z) for t in turns] for z in (rear + 0.1, front - 0.15)]
    for i in range(14):
        j = (i + 1) % 14
        sketch.face(
            (ends[0][j], ends[0][i], ends[1][i], ends[1][j]),
            colour,
            normal=(math.cos(turns[i] + 0.22), math.sin(turns[i] + 0.22), 0),
        )
    sketch.face(ends[0], tint(colour, 0.9), normal=(0, 0, -1))
    sketch.face(ends[1], tint(colour, 0.9), normal=(0, 0, 1))
    _rear_wheels(sketch, w, rear, front)


def _bicycle_wheel(sketch: Sketch, z: float, turn: float) -> None:
    rim = circle((0.0, 0.34, z), 0.33, sides=14)
    for a, b in zip(rim, [*rim[1:], rim[0]], strict=True):
        sketch.limb(a, b, 0.021, 0.021, _TYRE)
    for i in range(3):
        angle = turn * 1.6 + math.pi * i / 3
        dy, dz = 0.32 * math.sin(angle), 0.32 * math.cos(angle)
        sketch.limb((0, 0.34 - dy, z - dz), (0, 0.34 + dy, z + dz), 0.005, 0.005, (150, 150, 152))


def _frame(sketch: Sketch, paint: Bgr, step_through: bool) -> None:
    rear, crank, seat, head, fork = (
        (0, 0.34, -0.52),
        (0, 0.29, -0.02),
        (0, 0.80, -0.16),
        (0, 0.86, 0.36),
        (0, 0.34, 0.53),
    )
    cross = (0, 0.5, -0.08) if step_through else (0, 0.76, -0.15)
    for a, b, r in (
        (rear, crank, 0.014),
        (rear, cross, 0.012),
        (crank, seat, 0.019),
        (crank, head, 0.021),
        (cross, head, 0.019),
        (head, fork, 0.017),
    ):
        sketch.limb(a, b, r, r, paint)
    sketch.limb(seat, (0, 0.92, -0.19), 0.014, 0.014, _CHROME)
    sketch.limb((0, 0.94, -0.31), (0, 0.95, -0.08), 0.055, 0.025, (35, 35, 38))
    sketch.limb(head, (0, 1.0, 0.34), 0.016, 0.016, _CHROME)
    sketch.limb((-0.26, 1.02, 0.36), (0.26, 1.02, 0.36), 0.016, 0.016, (50, 50, 52))
