"""What a thing looks like in its own metres: flat faces and round limbs, gathered into one array that projects at once.

A thing stands at the origin and faces +z. Must never know where it stands, how it is lit, or what it is called.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from streamd.scenes.camera import F64

Bgr = tuple[float, float, float]  # 0..255
Point = Sequence[float]  # x, y, z in metres


@dataclass(frozen=True, slots=True)
class Lamp:
    """A light that shines towards `facing` when lamps are lit."""

    at: tuple[float, float, float]
    facing: tuple[float, float, float]
    colour: Bgr
    reach_m: float


@dataclass(frozen=True, slots=True)
class Shape:
    """K parts over P points. Part i owns points starts[i]:starts[i+1]; two points with radii make a limb.

    Parts of one body are drawn in order; body 0 is drawn first, the others farthest first. A part with a normal is
    hidden when it faces away. Glowing parts are not shaded.
    """

    points: F64  # P,3
    radii: F64  # P
    starts: tuple[int, ...]  # K+1
    colours: F64  # K,3
    normals: F64  # K,3; zero for what is seen from both sides
    glowing: tuple[bool, ...]  # K
    bodies: tuple[int, ...]  # K
    lamps: tuple[Lamp, ...] = ()


class Sketch:
    """Collects the parts of a shape."""

    def __init__(self) -> None:
        self._points: list[Point] = []
        self._radii: list[float] = []
        self._starts = [0]
        self._colours: list[Bgr] = []
        self._normals: list[Sequence[float]] = []
        self._glowing: list[bool] = []
        self._bodies: list[int] = []
        self._lamps: list[Lamp] = []
        self._body = 0

    def body(self) -> None:
        """Begin a body: what follows is ordered against the rest by distance."""
        self._body += 1

    def face(
        self, points: Sequence[Point], colour: Bgr, *, normal: Sequence[float] | None = None, glows: bool = False
    ) -> None:
        """Add a convex flat face; without `normal` its outside is where the cross product of its edges points."""
        self._points.extend(points)
        self._radii.extend([0.0] * len(points))
        self._part(colour, _normal(points) if normal is None else normal, glows)

    def sheet(self, points: Sequence[Point], colour: Bgr, *, glows: bool = False) -> None:
        """Add a flat face that is seen from both sides."""
        self.face(points, colour, normal=(0.0, 0.0, 0.0), glows=glows)

    def limb(self, a: Point, b: Point, ra: float, rb: float, colour: Bgr, *, glows: bool = False) -> None:
        """Add a round bar from `a` to `b`, of radius `ra` there and `rb` here."""
        self._points.extend((a, b))
        self._radii.extend((ra, rb))
        self._part(colour, (0.0, 0.0, 0.0), glows)

    def ball(self, at: Point, radius: float, colour: Bgr, *, glows: bool = False) -> None:
        """Add a ball."""
        self.limb(at, at, radius, radius, colour, glows=glows)

    def lamp(
        self, at: tuple[float, float, float], facing: tuple[float, float, float], colour: Bgr, reach_m: float
    ) -> None:
        """Add a light that shows a halo when lamps are lit."""
        self._lamps.append(Lamp(at, facing, colour, reach_m))

    def shape(self) -> Shape:
        """Return what was collected."""
        return Shape(
            np.array(self._points, np.float64),
            np.array(self._radii, np.float64),
            tuple(self._starts),
            np.array(self._colours, np.float64),
            np.array(self._normals, np.float64),
            tuple(self._glowing),
            tuple(self._bodies),
            tuple(self._lamps),
        )

    def rings(self, rings: Sequence[Sequence[Point]], colour: Bgr, *, lid: Bgr | None = None) -> None:
        """Join closed rings, lowest first and clockwise from above, with quads; close the top with `lid`."""
        for low, high in pairwise(rings):
            n = len(low)
            for i in range(n):
                j = (i + 1) % n
                self.face((low[i], low[j], high[j], high[i]), colour)
        if lid is not None:
            self.face(rings[-1], lid, normal=(0.0, 1.0, 0.0))

    def box(self, low: Point, high: Point, colour: Bgr, *, lid: Bgr | None = None) -> None:
        """Add an upright box between two corners."""
        (x0, y0, z0), (x1, y1, z1) = low, high
        plan = ((x0, z0), (x0, z1), (x1, z1), (x1, z0))
        self.rings([[(x, y, z) for x, z in plan] for y in (y0, y1)], colour, lid=lid or colour)

    def drum(self, foot: Point, top: float, r0: float, r1: float, colour: Bgr, *, sides: int = 10) -> None:
        """Add an upright round bar, flat on top, from `foot` up to y = `top`."""
        x, y, z = foot
        turns = [-2 * math.pi * i / sides for i in range(sides)]
        self.rings(
            [[(x + r * math.cos(t), h, z + r * math.sin(t)) for t in turns] for h, r in ((y, r0), (top, r1))],
            colour,
            lid=colour,
        )

    def _part(self, colour: Bgr, normal: Sequence[float], glows: bool) -> None:
        self._starts.append(len(self._points))
        self._colours.append(colour)
        self._normals.append(normal)
        self._glowing.append(glows)
        self._bodies.append(self._body)


def tint(colour: Bgr, factor: float) -> Bgr:
    """Return `colour` made lighter (factor over 1) or darker."""
    b, g, r = (min(255.0, c * factor) for c in colour)
    return (b, g, r)


def blend(a: Bgr, b: Bgr, share: float) -> Bgr:
    """Return the colour `share` of the way from `a` to `b`."""
    one, two, three = (x + (y - x) * share for x, y in zip(a, b, strict=True))
    return (one, two, three)


def circle(at: Point, radius: float, *, sides: int = 16) -> list[Point]:
    """Return points of a circle around `at` that stands along z (a wheel)."""
    x, y, z = at
    turns = (2 * math.pi * i / sides for i in range(sides))
    return [(x, y + radius * math.sin(t), z + radius * math.cos(t)) for t in turns]


def _normal(points: Sequence[Point]) -> tuple[float, float, float]:
    """Return the unit normal of a flat polygon by Newell's sum."""
    x = y = z = 0.0
    for (ax, ay, az), (bx, by, bz) in _edges(points):
        x += (ay - by) * (az + bz)
        y += (az - bz) * (ax + bx)
        z += (ax - bx) * (ay + by)
    length = math.sqrt(x * x + y * y + z * z) or 1.0
    return (x / length, y / length, z / length)


def _edges(points: Sequence[Point]) -> Iterable[tuple[Point, Point]]:
    return zip(points, [*points[1:], points[0]], strict=True)
