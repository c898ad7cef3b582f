"""Bicycles in metres, front towards +z, wheels on the ground."""

import math
from collections.abc import Callable

import numpy as np

from streamd.scenes.coachwork import (
    CHROME,
    HEADLAMP,
    PAINT,
    TAIL,
    TYRE,
)
from streamd.scenes.shapes import Bgr, Shape, Sketch, circle, tint


def bicycle(rng: np.random.Generator) -> Callable[[float], Shape]:
    """Return what draws one bicycle with its pedals and spokes turned by an angle in radians."""
    paint = tint(PAINT[rng.integers(len(PAINT))], float(rng.uniform(0.9, 1.15)))
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
            sketch.limb((0.06 * side, 0.29, -0.02), pedal, 0.013, 0.013, CHROME)
            sketch.limb((pedal[0], pedal[1], pedal[2] - 0.05), (pedal[0], pedal[1], pedal[2] + 0.05), 0.02, 0.02, TYRE)
        if basket:
            sketch.box((-0.17, 0.78, 0.5), (0.17, 1.0, 0.78), (70, 110, 150), lid=(45, 70, 100))
        sketch.lamp((0.0, 0.85, 0.55), (0, 0, 1), HEADLAMP, 0.5)
        sketch.lamp((0.0, 0.75, -0.75), (0, 0, -1), TAIL, 0.4)
        return sketch.shape()

    return drawn


def _bicycle_wheel(sketch: Sketch, z: float, turn: float) -> None:
    rim = circle((0.0, 0.34, z), 0.33, sides=14)
    for a, b in zip(rim, [*rim[1:], rim[0]], strict=True):
        sketch.limb(a, b, 0.021, 0.021, TYRE)
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
    sketch.limb(seat, (0, 0.92, -0.19), 0.014, 0.014, CHROME)
    sketch.limb((0, 0.94, -0.31), (0, 0.95, -0.08), 0.055, 0.025, (35, 35, 38))
    sketch.limb(head, (0, 1.0, 0.34), 0.016, 0.016, CHROME)
    sketch.limb((-0.26, 1.02, 0.36), (0.26, 1.02, 0.36), 0.016, 0.016, (50, 50, 52))
