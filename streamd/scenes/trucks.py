"""Trucks in metres, front towards +z: a cab, a chassis, and one of four loads."""

import math

import numpy as np

from streamd.scenes.coachwork import (
    GLASS,
    HEADLAMP,
    PAINT,
    inset,
    panel,
    tail_lights,
    underside,
    wheel,
)
from streamd.scenes.shapes import Bgr, Point, Shape, Sketch, blend, tint


def truck(rng: np.random.Generator) -> Shape:
    """Return a truck with one of four loads."""
    paint = tint(PAINT[rng.integers(len(PAINT))], float(rng.uniform(0.85, 1.1)))
    length, width = float(rng.uniform(6.2, 8.6)), float(rng.uniform(2.2, 2.5))
    half, w = length / 2, width / 2
    sketch = Sketch()
    wheels = (half - 1.15, -half + 1.3, *((-half + 2.35,) if length > 7.6 else ()))
    underside(sketch, w, half, wheels, 0.48)
    sketch.box((-w + 0.1, 0.62, -half), (w - 0.1, 0.86, half - 1.9), (52, 50, 50))
    for side in (-1, 1):
        sketch.face(panel(side * (w - 0.08), (0.5, 0.72), (-half + 0.2, half - 2.2)), (70, 70, 72), normal=(side, 0, 0))
    tail_lights(sketch, w - 0.12, -half - 0.01, 0.74)
    _cab(sketch, w, half, paint)
    sketch.body()
    load = (_box_body, _curtain_side, _tipper, _tank)[rng.choice(4, p=(0.42, 0.24, 0.2, 0.14))]
    load(sketch, rng, (w, -half, half - 2.0), paint)
    return sketch.shape()


def _cab(sketch: Sketch, w: float, half: float, paint: Bgr) -> None:
    sketch.body()
    back, front, top = half - 1.85, half, 2.55
    low, mid, high = (_cab_ring(w, back, f, y) for f, y in ((front, 0.45), (front, 1.35), (front - 0.22, top)))
    sketch.rings([low, mid, high], paint, lid=tint(paint, 1.03))
    sketch.face(inset((mid[2], mid[3], high[3], high[2]), 0.04, 0.12), GLASS)
    sketch.face(inset((low[2], low[3], mid[3], mid[2]), 0.16, 0.3), (40, 40, 42))
    for side in (-1, 1):
        x = side * (w + 0.01)
        sketch.face(
            [(x, 1.4, front - 1.35), (x, 1.4, front - 0.42), (x, 2.2, front - 0.55), (x, 2.2, front - 1.35)],
            GLASS,
            normal=(side, 0, 0),
        )
        sketch.face(panel(x, (0.6, 2.3), (front - 1.42, front - 1.4)), tint(paint, 0.5), normal=(side, 0, 0))
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
            wheel(sketch, side * (w + 0.012), z, r, side)
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
            wheel(sketch, side * (w + 0.012), z, 0.48, side)


def _box_body(sketch: Sketch, rng: np.random.Generator, at: tuple[float, float, float], paint: Bgr) -> None:
    w, rear, front = at
    colour: Bgr = (232, 232, 232) if rng.random() < 0.6 else tint(paint, 1.1)
    top = float(rng.uniform(3.0, 3.6))
    sketch.box((-w, 0.86, rear), (w, top, front - 0.1), colour)
    stripe = PAINT[rng.integers(len(PAINT))]
    for side in (-1, 1):
        x = side * (w + 0.006)
        y = float(rng.uniform(1.3, 2.2))
        sketch.face(panel(x, (y, y + 0.5), (rear + 0.3, front - 0.5)), stripe, normal=(side, 0, 0))
        sketch.face(panel(x, (y + 0.55, y + 0.95), (rear + 1.0, rear + 2.6)), tint(stripe, 0.7), normal=(side, 0, 0))
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
    colour = tint(PAINT[rng.integers(len(PAINT))], 1.0)
    sketch.box((-w, 0.86, rear), (w, 3.3, front - 0.1), colour, lid=tint(colour, 1.05))
    for side in (-1, 1):
        x = side * (w + 0.006)
        for i in range(7):
            z = rear + (front - 0.1 - rear) * (i + 0.5) / 7
            sketch.face(panel(x, (1.0, 3.2), (z - 0.03, z + 0.03)), tint(colour, 0.82), normal=(side, 0, 0))
        sketch.face(panel(x, (0.86, 1.02), (rear, front - 0.1)), tint(paint, 0.6), normal=(side, 0, 0))
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
