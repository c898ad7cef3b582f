"""What cars, trucks and bicycles share, in metres: paints, wheels, panels and lights; front towards +z."""

from collections.abc import Sequence

import numpy as np

from streamd.scenes.shapes import Bgr, Point, Sketch, circle

PAINT: tuple[Bgr, ...] = (
    (235, 235, 238), (150, 152, 155), (60, 62, 66), (28, 28, 32), (150, 70, 30), (40, 40, 170), (60, 110, 60),
    (190, 160, 110), (50, 130, 210), (120, 60, 90), (90, 160, 190), (170, 120, 40), (200, 205, 190),
)  # fmt: skip
GLASS: Bgr = (95, 78, 66)
TYRE: Bgr = (32, 31, 31)
CHROME: Bgr = (190, 190, 192)
HEADLAMP: Bgr = (225, 245, 255)
TAIL: Bgr = (45, 40, 225)


def underside(sketch: Sketch, w: float, half: float, wheels: Sequence[float], radius: float) -> None:
    """Add the dark floor and the wheels within: what shows under a body before it is set on."""
    sketch.box((-w + 0.12, 0.14, -half + 0.25), (w - 0.12, 0.4, half - 0.25), (22, 22, 22))
    for side in (-1, 1):
        for z in wheels:
            sketch.box(
                (side * w - (0.24 if side > 0 else 0.0), 0.0, z - radius * 0.7),
                (side * w + (0.24 if side < 0 else 0.0), radius, z + radius * 0.7),
                TYRE,
            )


def wheel(sketch: Sketch, x: float, z: float, radius: float, side: int) -> None:
    """Add a wheel's outer face: arch, tyre, rim and hub."""
    for grow, dx, colour in (
        (1.2, 0.0, (24, 24, 24)),
        (1.0, 0.012, TYRE),
        (0.64, 0.02, (165, 165, 168)),
        (0.5, 0.022, (92, 92, 96)),
        (0.2, 0.024, CHROME),
    ):
        low = 0.0 if grow <= 1 else radius * 0.25
        points = [(px, max(py, low), pz) for px, py, pz in circle((x + dx * side, radius, z), radius * grow)]
        sketch.face(points, colour, normal=(side, 0, 0))


def panel(x: float, y: tuple[float, float], z: tuple[float, float]) -> list[Point]:
    """Return an upright rectangle on a side."""
    return [(x, y[0], z[0]), (x, y[0], z[1]), (x, y[1], z[1]), (x, y[1], z[0])]


def tail_lights(sketch: Sketch, w: float, z: float, y: float) -> None:
    """Add the two lights of a rear end that is at `z`, `w` to either side, their lower edge at `y`."""
    for side in (-1, 1):
        a, b = side * (w - 0.42), side * (w - 0.02)
        sketch.face(
            [(a, y, z), (b, y, z + 0.22), (b, y + 0.15, z + 0.22), (a, y + 0.13, z)],
            TAIL,
            normal=(0.3 * side, 0, -0.95),
        )
        sketch.lamp((side * (w - 0.2), y + 0.07, z), (0, 0, -1), TAIL, 0.7)


def inset(corners: Sequence[Point], across: float, up: float) -> list[Point]:
    """A quad shrunk within its plane: `across` of its width at either side, `up` of its height above and below."""
    a, b, c, d = (np.array(p) for p in corners)

    def at(u: float, v: float) -> Point:
        point: list[float] = ((a * (1 - u) + b * u) * (1 - v) + (d * (1 - u) + c * u) * v).tolist()
        return point

    return [at(across, up), at(1 - across, up), at(1 - across, 1 - up), at(across, 1 - up)]
