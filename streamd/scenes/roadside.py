"""What a town puts up along its roads, in metres: lamps, signs, lights, bollards, shelters. None is of a class."""

import math
from itertools import pairwise

import numpy as np

from streamd.scenes.palette import Palette, pick
from streamd.scenes.shapes import Bgr, Shape, Sketch, tint

LAMP_ARM_M = 1.3
_WARM: Bgr = (170, 225, 255)


def lamp_post(palette: Palette, rng: np.random.Generator) -> Shape:
    """Return a lamp post whose arm reaches `LAMP_ARM_M` along +z."""
    sketch, colour, top = Sketch(), pick(palette.furniture, rng), 6.2
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


def bollard(palette: Palette, rng: np.random.Generator) -> Shape:
    """Return a bollard with a ball or a bright band."""
    sketch, colour = Sketch(), pick(palette.furniture, rng)
    height = float(rng.uniform(0.8, 1.1))
    sketch.drum((0, 0, 0), height, 0.11, 0.09, colour, sides=8)
    if rng.random() < 0.5:
        sketch.ball((0, height + 0.08, 0), 0.12, colour)
    else:
        sketch.drum((0, height * 0.75, 0), height * 0.88, 0.112, 0.112, (220, 225, 225), sides=8)
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


def shelter(palette: Palette, rng: np.random.Generator) -> Shape:
    """Return a bus shelter that opens to +z."""
    sketch, steel = Sketch(), pick(palette.furniture, rng)
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
