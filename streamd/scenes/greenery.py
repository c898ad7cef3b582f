"""Trees, bushes and flowers in metres: leaves in clumps."""

import math

import numpy as np

from streamd.scenes.palette import Palette, pick
from streamd.scenes.shapes import Bgr, Shape, Sketch, tint


def tree(palette: Palette, rng: np.random.Generator) -> Shape:
    """Return a tree: a trunk, boughs, and leaves in clumps that darken downwards."""
    sketch, leaf = Sketch(), tint(pick(palette.leaves, rng), float(rng.uniform(0.8, 1.1)))
    height, spread = float(rng.uniform(4.5, 8.5)), float(rng.uniform(1.3, 2.3))
    bark: Bgr = (55, 70, 85)
    sketch.body()
    sketch.limb((0, 0, 0), (0, height * 0.5, 0), 0.20, 0.12, bark)
    for _ in range(3):
        a = rng.uniform(0, 2 * math.pi)
        sketch.limb(
            (0, height * 0.35, 0),
            (0.5 * spread * math.cos(a), height * 0.65, 0.5 * spread * math.sin(a)),
            0.09,
            0.05,
            bark,
        )
    _leaves(sketch, (0, height * 0.72, 0), (spread, height * 0.3, spread), leaf, int(rng.integers(110, 170)), rng)
    return sketch.shape()


def bush(palette: Palette, rng: np.random.Generator) -> Shape:
    """Return a bush."""
    sketch, size = Sketch(), float(rng.uniform(0.4, 0.8))
    sketch.body()
    _leaves(sketch, (0, size * 0.8, 0), (size * 1.3, size * 0.8, size), pick(palette.leaves, rng), 40, rng)
    return sketch.shape()


def planter(palette: Palette, rng: np.random.Generator) -> Shape:
    """Return a planter with flowers."""
    sketch, pot = Sketch(), ((120, 125, 130), (70, 95, 150), (80, 85, 88))[rng.integers(3)]
    sketch.box((-0.5, 0, -0.4), (0.5, 0.55, 0.4), pot, lid=(45, 60, 75))
    sketch.body()
    _leaves(sketch, (0, 0.75, 0), (0.5, 0.22, 0.4), pick(palette.leaves, rng), 24, rng)
    for _ in range(9):
        x, z = rng.uniform(-0.4, 0.4), rng.uniform(-0.3, 0.3)
        sketch.ball(
            (x, 0.85 + float(rng.uniform(0, 0.12)), z),
            0.05,
            ((80, 80, 230), (220, 220, 240), (60, 200, 240), (190, 90, 200))[rng.integers(4)],
        )
    return sketch.shape()


def _leaves(
    sketch: Sketch,
    centre: tuple[float, float, float],
    size: tuple[float, float, float],
    colour: Bgr,
    count: int,
    rng: np.random.Generator,
) -> None:
    """Scatter balls through an ellipsoid, the low and inner ones first and darker."""
    spots = rng.normal(0, 0.42, (count, 3))
    spots /= np.maximum(np.linalg.norm(spots, axis=1, keepdims=True), 1.0)
    for x, y, z in spots[np.argsort(spots[:, 1] + 0.3 * rng.random(count))]:
        radius = float(rng.uniform(0.1, 0.24)) * min(size[0], 1.6 * size[1])
        light = 0.78 + 0.3 * float(y) + float(rng.uniform(-0.1, 0.1))
        sketch.ball(
            (centre[0] + x * size[0], centre[1] + y * size[1], centre[2] + z * size[2]), radius, tint(colour, light)
        )
