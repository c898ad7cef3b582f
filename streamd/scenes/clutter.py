"""Street furniture and greenery in metres: what stands about and is none of the classes, some of it easily mistaken."""

import math
from collections.abc import Callable
from itertools import pairwise

import numpy as np

from streamd.scenes.palette import Palette
from streamd.scenes.shapes import Bgr, Shape, Sketch, blend, tint

Maker = Callable[[Palette, np.random.Generator], Shape]
LAMP_ARM_M = 1.3
_WARM: Bgr = (170, 225, 255)


def tree(palette: Palette, rng: np.random.Generator) -> Shape:
    """Return a tree: a trunk, boughs, and leaves in clumps that darken downwards."""
    sketch, leaf = Sketch(), tint(_pick(palette.leaves, rng), float(rng.uniform(0.8, 1.1)))
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
    _leaves(sketch, (0, size * 0.8, 0), (size * 1.3, size * 0.8, size), _pick(palette.leaves, rng), 40, rng)
    return sketch.shape()


def lamp_post(palette: Palette, rng: np.random.Generator) -> Shape:
    """Return a lamp post whose arm reaches `LAMP_ARM_M` along +z."""
    sketch, colour, top = Sketch(), _pick(palette.furniture, rng), 6.2
    sketch.limb((0, 0, 0), (0, 1.0, 0), 0.10, 0.09, colour)
    sketch.limb((0, 1.0, 0), (0, top, 0), 0.06, 0.05, colour)
    sketch.limb((0, top, 0), (0, top + 0.15, LAMP_ARM_M), 0.04, 0.04, colour)
    sketch.limb((0, top + 0.12, LAMP_ARM_M - 0.25), (0, top + 0.14, LAMP_ARM_M + 0.3), 0.09, 0.09, tint(colour, 1.3))
    sketch.lamp((0, top + 0.05, LAMP_ARM_M), (0, -1, 0), _WARM, 1.5)
    return sketch.shape()


def sign(palette: Palette, rng: np.random.Generator) -> Shape:
    """Return a traffic sign: a post with a disc, a triangle or a board."""
    sketch, kind = Sketch(), rng.integers(3)
    del palette
    sketch.limb((0, 0, 0), (0, 2.7, 0), 0.035, 0.035, (130, 132, 134))
    turns = [2 * math.pi * i / 16 for i in range(16)]
    if kind == 0:
        for r, colour in ((0.33, (40, 40, 200)), (0.24, (235, 235, 235))):
            sketch.sheet([(r * math.cos(t), 2.4 + r * math.sin(t), 0.05) for t in turns], colour)
        sketch.sheet([(-0.16, 2.36, 0.05), (0.16, 2.36, 0.05), (0.16, 2.44, 0.05), (-0.16, 2.44, 0.05)], (40, 40, 45))
    elif kind == 1:
        for s, colour in ((1.0, (40, 40, 200)), (0.66, (235, 235, 235))):
            sketch.sheet(
                [(-0.4 * s, 2.42 - 0.24 * s, 0.05), (0.4 * s, 2.42 - 0.24 * s, 0.05), (0, 2.42 + 0.44 * s, 0.05)],
                colour,
            )
    else:
        sketch.sheet([(-0.4, 2.1, 0.05), (0.4, 2.1, 0.05), (0.4, 2.75, 0.05), (-0.4, 2.75, 0.05)], (170, 90, 30))
        sketch.sheet([(-0.1, 2.2, 0.05), (0.0, 2.2, 0.05), (0.0, 2.65, 0.05), (-0.1, 2.65, 0.05)], (240, 240, 240))
    return sketch.shape()


def traffic_light(palette: Palette, rng: np.random.Generator) -> Shape:
    """Return a traffic light."""
    sketch = Sketch()
    del palette
    sketch.limb((0, 0, 0), (0, 2.4, 0), 0.06, 0.06, (75, 78, 78))
    sketch.body()
    sketch.box((-0.16, 2.2, -0.12), (0.16, 3.1, 0.12), (35, 36, 36))
    on = rng.integers(3)
    for i, colour in enumerate(((60, 60, 240), (60, 190, 250), (120, 230, 70))):
        for z in (-0.13, 0.13):
            turns = [2 * math.pi * k / 12 for k in range(12)]
            points = [(0.1 * math.cos(t), 2.95 - 0.28 * i + 0.1 * math.sin(t), z) for t in turns]
            sketch.face(
                points, colour if i == on else tint(colour, 0.25), normal=(0, 0, math.copysign(1, z)), glows=i == on
            )
    return sketch.shape()


def litter_bin(palette: Palette, rng: np.random.Generator) -> Shape:
    """Return a litter bin."""
    sketch, colour = Sketch(), _pick(palette.furniture, rng)
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


def bollard(palette: Palette, rng: np.random.Generator) -> Shape:
    """Return a bollard with a ball or a bright band."""
    sketch, colour = Sketch(), _pick(palette.furniture, rng)
    height = float(rng.uniform(0.8, 1.1))
    sketch.drum((0, 0, 0), height, 0.11, 0.09, colour, sides=8)
    if rng.random() < 0.5:
        sketch.ball((0, height + 0.08, 0), 0.12, colour)
    else:
        sketch.drum((0, height * 0.75, 0), height * 0.88, 0.112, 0.112, (220, 225, 225), sides=8)
    return sketch.shape()


def bench(palette: Palette, rng: np.random.Generator) -> Shape:
    """Return a bench that faces +z."""
    sketch, iron = Sketch(), _pick(palette.furniture, rng)
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


def planter(palette: Palette, rng: np.random.Generator) -> Shape:
    """Return a planter with flowers."""
    sketch, pot = Sketch(), ((120, 125, 130), (70, 95, 150), (80, 85, 88))[rng.integers(3)]
    sketch.box((-0.5, 0, -0.4), (0.5, 0.55, 0.4), pot, lid=(45, 60, 75))
    sketch.body()
    _leaves(sketch, (0, 0.75, 0), (0.5, 0.22, 0.4), _pick(palette.leaves, rng), 24, rng)
    for _ in range(9):
        x, z = rng.uniform(-0.4, 0.4), rng.uniform(-0.3, 0.3)
        sketch.ball(
            (x, 0.85 + float(rng.uniform(0, 0.12)), z),
            0.05,
            ((80, 80, 230), (220, 220, 240), (60, 200, 240), (190, 90, 200))[rng.integers(4)],
        )
    return sketch.shape()


def shelter(palette: Palette, rng: np.random.Generator) -> Shape:
    """Return a bus shelter that opens to +z."""
    sketch, steel = Sketch(), _pick(palette.furniture, rng)
    for x in (-1.7, 0.0, 1.7):
        sketch.limb((x, 0, -0.6), (x, 2.4, -0.6), 0.04, 0.04, steel)
    for x in (-1.7, 0.0):
        sketch.sheet(
            [(x + 0.1, 0.4, -0.6), (x + 1.6, 0.4, -0.6), (x + 1.6, 2.1, -0.6), (x + 0.1, 2.1, -0.6)], (165, 160, 150)
        )
    sketch.limb((-1.2, 0.45, -0.4), (0.4, 0.45, -0.4), 0.05, 0.05, steel)
    poster: Bgr = (float(rng.uniform(40, 220)), float(rng.uniform(40, 220)), float(rng.uniform(40, 220)))
    sketch.sheet([(1.7, 0.5, -0.6), (1.7, 0.5, 0.5), (1.7, 2.1, 0.5), (1.7, 2.1, -0.6)], poster)
    sketch.body()
    sketch.box((-1.9, 2.4, -0.8), (1.9, 2.52, 0.8), tint(steel, 1.2))
    return sketch.shape()


def column(palette: Palette, rng: np.random.Generator) -> Shape:
    """Return an advertising column."""
    sketch, colour = Sketch(), _pick(palette.furniture, rng)
    sketch.drum((0, 0, 0), 0.4, 0.62, 0.62, tint(colour, 0.8), sides=14)
    poster: Bgr = (float(rng.uniform(90, 230)), float(rng.uniform(90, 230)), float(rng.uniform(90, 230)))
    sketch.drum((0, 0.4, 0), 2.7, 0.58, 0.58, poster, sides=14)
    sketch.drum((0, 2.7, 0), 2.9, 0.7, 0.7, colour, sides=14)
    sketch.drum((0, 2.9, 0), 3.4, 0.6, 0.05, tint(colour, 0.8), sides=14)
    return sketch.shape()


def kiosk(palette: Palette, rng: np.random.Generator) -> Shape:
    """Return a kiosk: a box on the pavement nearly the size of a truck's."""
    sketch, colour = Sketch(), tint(_pick(palette.furniture, rng), 1.2)
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


def rack(palette: Palette, rng: np.random.Generator) -> Shape:
    """Return empty hoops for bicycles, along +x."""
    sketch = Sketch()
    del palette
    for i in range(int(rng.integers(2, 5))):
        hoop = [
            (0.8 * i, y, z) for y, z in ((0, -0.35), (0.7, -0.35), (0.85, -0.2), (0.85, 0.2), (0.7, 0.35), (0, 0.35))
        ]
        for a, b in pairwise(hoop):
            sketch.limb(a, b, 0.027, 0.027, (165, 168, 170))
    return sketch.shape()


def parasol(palette: Palette, rng: np.random.Generator) -> Shape:
    """Return a café table under a parasol with empty chairs."""
    sketch = Sketch()
    cloth: Bgr = ((60, 60, 190), (215, 220, 225), (70, 110, 60), (60, 160, 215))[rng.integers(4)]
    wood = _pick(palette.furniture, rng)
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


def _pick(colours: tuple[Bgr, ...], rng: np.random.Generator) -> Bgr:
    return colours[rng.integers(len(colours))]
