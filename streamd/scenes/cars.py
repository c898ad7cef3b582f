"""Cars in metres, front towards +z, wheels on the ground.

A body is rings of eight corners, lowest first, so that flat shading rounds it; doors, glass and lights are faces laid
on afterwards. Convex bodies need no sorting within.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from streamd.scenes.coachwork import GLASS, HEADLAMP, PAINT, inset, panel, tail_lights, underside, wheel
from streamd.scenes.shapes import Bgr, Point, Shape, Sketch, blend, tint


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
    paint = tint(PAINT[rng.integers(len(PAINT))], float(rng.uniform(0.85, 1.1)))
    sketch = Sketch()
    half, w = build.length / 2, build.width / 2
    wheel_z = (half - 0.82, -half + 0.80)
    underside(sketch, w, half, wheel_z, 0.31)
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


def _sides(sketch: Sketch, build: _Build, paint: Bgr, wheel_z: Sequence[float]) -> None:
    w, half = build.width / 2, build.length / 2
    middle = (half - build.bonnet + (-half + build.boot)) / 2
    for side in (-1, 1):
        x = side * (w + 0.005)
        sketch.face(panel(x, (0.27, 0.36), (wheel_z[1], wheel_z[0])), tint(paint, 0.35), normal=(side, 0, 0))
        for z in (middle + 0.02, middle + 1.0, middle - 0.95):
            sketch.face(panel(x, (0.36, 0.80), (z - 0.012, z + 0.012)), tint(paint, 0.5), normal=(side, 0, 0))
        for z in (middle - 0.2, middle + 0.8):
            sketch.face(panel(x, (0.72, 0.755), (z - 0.16, z)), tint(paint, 0.6), normal=(side, 0, 0))
        for z in wheel_z:
            wheel(sketch, side * (w + 0.01), z, 0.31, side)


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
    tail_lights(sketch, w - 0.04, rear, belt - 0.24)


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
            inset((low[i], low[j], high[j], high[i]), 0.05, 0.1),
            blend(GLASS, (200, 190, 180), 0.12 if i == 1 else 0.0),
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
