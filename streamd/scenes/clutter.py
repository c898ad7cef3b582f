"""What stands about on a pavement, in metres: it is none of the classes, and some of it easily mistaken."""

import math
from collections.abc import Callable

import numpy as np

from streamd.scenes.greenery import bush, planter
from streamd.scenes.palette import Palette, pick
from streamd.scenes.roadside import bollard, rack, sign
from streamd.scenes.shapes import Bgr, Shape, Sketch, blend, tint

Maker = Callable[[Palette, np.random.Generator], Shape]


def litter_bin(palette: Palette, rng: np.random.Generator) -> Shape:
    """Return a litter bin."""
    sketch, colour = Sketch(), pick(palette.furniture, rng)
    sketch.drum((0, 0, 0), 0.9, 0.24, 0.28, colour)
    sketch.drum((0, 0.9, 0), 1.0, 0.29, 0.2, tint(colour, 0.7))
    return sketch.shape()


def wheelie_bins(palette: Palette, rng: np.random.Generator) -> Shape:
    """Return a row of wheeled bins along +x."""
    sketch = Sketch()
    del palette
    for i in range(int(rng.integers(1, 4))):
        sketch.body()
        colour: Bgr = ((60, 75, 50), (50, 50, 55), (130, 85, 40), (50, 150, 190))[rng.integers(4)]
        at = i * 0.72
        sketch.rings(
            [
                [(at + x * s, y, d * s) for x, d in ((-0.28, -0.3), (-0.28, 0.3), (0.28, 0.3), (0.28, -0.3))]
                for s, y in ((0.85, 0.05), (1.0, 1.0))
            ],
            colour,
        )
        sketch.box((at - 0.3, 1.0, -0.32), (at + 0.3, 1.08, 0.32), tint(colour, 0.8))
    return sketch.shape()


def post_box(palette: Palette, rng: np.random.Generator) -> Shape:
    """Return a pillar box: as tall and wide as a person."""
    sketch = Sketch()
    del palette
    colour: Bgr = ((35, 35, 190), (40, 190, 235), (150, 80, 40))[rng.integers(3)]
    sketch.drum((0, 0, 0), 0.12, 0.27, 0.27, (35, 35, 38), sides=12)
    sketch.drum((0, 0.12, 0), 1.4, 0.24, 0.24, colour, sides=12)
    sketch.drum((0, 1.4, 0), 1.5, 0.28, 0.28, tint(colour, 0.9), sides=12)
    sketch.drum((0, 1.5, 0), 1.62, 0.26, 0.08, colour, sides=12)
    sketch.face(
        [(-0.12, 1.2, 0.245), (0.12, 1.2, 0.245), (0.12, 1.26, 0.245), (-0.12, 1.26, 0.245)],
        (25, 25, 28),
        normal=(0, 0, 1),
    )
    return sketch.shape()


def bench(palette: Palette, rng: np.random.Generator) -> Shape:
    """Return a bench that faces +z."""
    sketch, iron = Sketch(), pick(palette.furniture, rng)
    wood = blend((60, 95, 140), (110, 130, 150), float(rng.uniform(0, 1)))
    for x in (-0.75, 0.75):
        sketch.limb((x, 0, 0.2), (x, 0.45, 0.2), 0.03, 0.03, iron)
        sketch.limb((x, 0, -0.2), (x, 0.85, -0.25), 0.03, 0.03, iron)
    for y, z in ((0.62, -0.22), (0.8, -0.25)):
        sketch.limb((-0.9, y, z), (0.9, y, z), 0.05, 0.05, wood)
    sketch.box((-0.9, 0.42, -0.2), (0.9, 0.47, 0.25), wood)
    return sketch.shape()


def crates(palette: Palette, rng: np.random.Generator) -> Shape:
    """Return stacked cardboard boxes and crates."""
    sketch = Sketch()
    del palette
    for _ in range(int(rng.integers(2, 5))):
        sketch.body()
        x, z = rng.uniform(-0.6, 0.6, 2)
        w, d, h = rng.uniform(0.22, 0.45, 3)
        colour = tint(
            ((90, 135, 175), (75, 115, 150), (160, 120, 60), (70, 130, 70))[rng.integers(4)],
            float(rng.uniform(0.8, 1.1)),
        )
        sketch.box((x - w, 0, z - d), (x + w, 2 * h, z + d), colour, lid=tint(colour, 1.1))
        if rng.random() < 0.6:
            sketch.box(
                (x - w * 0.7, 2 * h, z - d * 0.7),
                (x + w * 0.6, 3.2 * h, z + d * 0.7),
                tint(colour, 0.92),
                lid=tint(colour, 1.05),
            )
    return sketch.shape()


def skip(palette: Palette, rng: np.random.Generator) -> Shape:
    """Return a builder's skip: as long as a car."""
    sketch = Sketch()
    del palette
    colour: Bgr = ((40, 170, 220), (120, 90, 40), (60, 110, 60), (70, 70, 160))[rng.integers(4)]
    low = [(-0.75, 0.1, -1.1), (-0.75, 0.1, 1.1), (0.75, 0.1, 1.1), (0.75, 0.1, -1.1)]
    high = [(-0.9, 1.3, -1.8), (-0.9, 1.3, 1.8), (0.9, 1.3, 1.8), (0.9, 1.3, -1.8)]
    sketch.rings([low, high], colour, lid=(70, 85, 100))
    for z in (-0.6, 0.6):
        for s in (-1, 1):
            sketch.limb((0.8 * s, 0.2, z * 0.8), (0.92 * s, 1.3, z), 0.05, 0.05, tint(colour, 0.8))
    for _ in range(5):
        x, z = rng.uniform(-0.5, 0.5), rng.uniform(-1.2, 1.2)
        sketch.ball((x, 1.3, z), float(rng.uniform(0.15, 0.35)), tint((110, 125, 140), float(rng.uniform(0.6, 1.2))))
    return sketch.shape()


def column(palette: Palette, rng: np.random.Generator) -> Shape:
    """Return an advertising column."""
    sketch, colour = Sketch(), pick(palette.furniture, rng)
    sketch.drum((0, 0, 0), 0.4, 0.62, 0.62, tint(colour, 0.8), sides=14)
    poster: Bgr = (float(rng.uniform(90, 230)), float(rng.uniform(90, 230)), float(rng.uniform(90, 230)))
    sketch.drum((0, 0.4, 0), 2.7, 0.58, 0.58, poster, sides=14)
    sketch.drum((0, 2.7, 0), 2.9, 0.7, 0.7, colour, sides=14)
    sketch.drum((0, 2.9, 0), 3.4, 0.6, 0.05, tint(colour, 0.8), sides=14)
    return sketch.shape()


def kiosk(palette: Palette, rng: np.random.Generator) -> Shape:
    """Return a kiosk: a box on the pavement nearly the size of a truck's."""
    sketch, colour = Sketch(), tint(pick(palette.furniture, rng), 1.2)
    sketch.box((-1.6, 0, -1.0), (1.6, 2.5, 1.0), colour)
    sketch.face(
        [(-1.3, 1.0, 1.01), (1.3, 1.0, 1.01), (1.3, 2.0, 1.01), (-1.3, 2.0, 1.01)], (70, 75, 80), normal=(0, 0, 1)
    )
    for i in range(6):
        sketch.face(
            [
                (-1.25 + 0.42 * i, 1.0, 1.02),
                (-0.95 + 0.42 * i, 1.0, 1.02),
                (-0.95 + 0.42 * i, 1.5, 1.02),
                (-1.25 + 0.42 * i, 1.5, 1.02),
            ],
            (float(rng.uniform(50, 220)), float(rng.uniform(50, 220)), float(rng.uniform(50, 220))),
            normal=(0, 0, 1),
        )
    sketch.body()
    sketch.box((-1.9, 2.5, -1.2), (1.9, 2.7, 1.6), tint(colour, 0.75))
    return sketch.shape()


def parasol(palette: Palette, rng: np.random.Generator) -> Shape:
    """Return a café table under a parasol with empty chairs."""
    sketch = Sketch()
    cloth: Bgr = ((60, 60, 190), (215, 220, 225), (70, 110, 60), (60, 160, 215))[rng.integers(4)]
    wood = pick(palette.furniture, rng)
    for x, z in ((-0.8, 0.0), (0.8, 0.0)):
        sketch.body()
        sketch.box((x - 0.22, 0.42, z - 0.22), (x + 0.22, 0.47, z + 0.22), wood)
        sketch.sheet(
            [(x * 1.27, 0.45, -0.2), (x * 1.27, 0.45, 0.2), (x * 1.27, 0.9, 0.2), (x * 1.27, 0.9, -0.2)],
            tint(wood, 0.9),
        )
        for dx, dz in ((-0.2, -0.2), (0.2, 0.2), (-0.2, 0.2), (0.2, -0.2)):
            sketch.limb((x + dx, 0, z + dz), (x + dx, 0.42, z + dz), 0.015, 0.015, wood)
    sketch.body()
    sketch.drum((0, 0.7, 0), 0.75, 0.45, 0.45, (200, 205, 208), sides=12)
    sketch.limb((0, 0, 0), (0, 2.3, 0), 0.03, 0.03, (190, 190, 190))
    sketch.body()
    turns = [-2 * math.pi * i / 8 for i in range(9)]
    for i in range(8):
        a, b = turns[i], turns[i + 1]
        sketch.face(
            [(1.4 * math.cos(a), 2.1, 1.4 * math.sin(a)), (1.4 * math.cos(b), 2.1, 1.4 * math.sin(b)), (0, 2.6, 0)],
            cloth if i % 2 else tint(cloth, 0.88),
        )
    return sketch.shape()


def statue(palette: Palette, rng: np.random.Generator) -> Shape:
    """Return a plinth with an urn."""
    sketch, stone = Sketch(), tint((150, 155, 160), float(rng.uniform(0.7, 1.1)))
    del palette
    sketch.box((-0.45, 0, -0.45), (0.45, 1.1, 0.45), stone)
    sketch.body()
    sketch.drum((0, 1.1, 0), 1.3, 0.16, 0.12, stone)
    sketch.drum((0, 1.3, 0), 1.75, 0.14, 0.36, stone)
    sketch.drum((0, 1.75, 0), 1.85, 0.38, 0.38, tint(stone, 0.95))
    return sketch.shape()


FURNITURE: dict[str, tuple[Maker, float]] = {
    "sign": (sign, 1.3),
    "litter bin": (litter_bin, 1.0),
    "wheeled bins": (wheelie_bins, 0.8),
    "post box": (post_box, 0.9),
    "bollard": (bollard, 1.6),
    "bench": (bench, 0.8),
    "crates": (crates, 0.7),
    "planter": (planter, 0.9),
    "bush": (bush, 0.9),
    "column": (column, 0.4),
    "rack": (rack, 0.6),
    "parasol": (parasol, 0.6),
    "statue": (statue, 0.35),
}  # the maker and how often it comes, relative to the others
