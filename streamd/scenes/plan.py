"""The lie of a street, in metres: road, kerbs, pavements, what stands behind them, and where the camera hangs.

Seeded choices only; nothing here draws.
"""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from streamd.scenes.camera import F64, Camera

Frontage = Literal["buildings", "park", "open"]
FAR_M = 75.0  # nothing that moves is placed farther away than this


@dataclass(frozen=True, slots=True)
class Side:
    """One side of the street, measured outwards from the middle of the road."""

    sign: int  # -1 left, +1 right
    kerb: float
    line: float  # where the pavement ends and the frontage begins
    frontage: Frontage
    parking: bool  # a lane of parked cars inside the kerb
    cycle_lane: bool


@dataclass(frozen=True, slots=True)
class Plan:
    """A street along z. `road` is half the width that traffic uses; 0 on a square without traffic."""

    road: float
    left: Side
    right: Side
    zebra: float | None
    junction: float | None  # z of a side road to the right
    span: tuple[float, float]  # z that the camera sees, and a little more
    end: float | None  # z of houses that close the view

    @property
    def sides(self) -> tuple[Side, Side]:
        """Left, then right."""
        return (self.left, self.right)


def planned(rng: np.random.Generator, width: int, height: int) -> tuple[Plan, Camera]:
    """Return a street and a camera that sees it."""
    square = rng.random() < 0.16
    road = 0.0 if square else float(rng.choice((3.1, 3.3, 6.3), p=(0.45, 0.4, 0.15)))
    across = rng.random() < 0.5
    left = _side(rng, -1, road, square, open_side=across)
    right = _side(rng, 1, road, square, open_side=False)
    camera = _camera(rng, (width, height), across, left, road)
    span = _span(camera, left, right)
    has_zebra = not square and rng.random() < 0.45
    middle = _looks_at(camera)
    zebra = float(np.clip(middle + rng.uniform(-6, 8), *span)) if has_zebra else None
    junction = float(middle + rng.choice((-1, 1)) * rng.uniform(9, 22)) if not square and rng.random() < 0.4 else None
    end = span[1] + 4.0 if not across and span[1] < 70 else None
    return Plan(road, left, right, zebra, junction, span, end), camera


def _side(rng: np.random.Generator, sign: int, road: float, square: bool, *, open_side: bool) -> Side:
    parking = bool(not square and rng.random() < 0.45)
    cycle_lane = bool(not square and rng.random() < 0.4)
    kerb = 0.0 if square else road + 2.3 * parking + 1.6 * cycle_lane
    pavement = float(rng.uniform(7, 13) if square else rng.uniform(2.6, 5.0))
    built: Frontage = "buildings" if rng.random() < 0.68 else "park"
    return Side(sign, kerb, kerb + pavement, "open" if open_side else built, parking, cycle_lane)


def _camera(rng: np.random.Generator, size: tuple[int, int], across: bool, left: Side, road: float) -> Camera:
    """Hang the camera on the left, looking across the street, or along it."""
    fov = math.radians(rng.uniform(46, 74))
    if across:
        back = float(rng.uniform(1.0, 7.0))
        position = (-left.line - back, float(rng.uniform(3.0, 6.5)), 0.0)
        yaw = math.radians(rng.uniform(52, 118))
        pitch = math.radians(rng.uniform(9, 17)) + 0.02 * (position[1] - 3)
    else:
        position = (float(rng.uniform(-left.line + 0.5, road * 0.6 + 1.0)), float(rng.uniform(3.6, 8.0)), 0.0)
        yaw = math.radians(rng.uniform(-4, 24))
        pitch = math.radians(rng.uniform(9, 18)) + 0.015 * (position[1] - 3.6)
    return Camera.placed(*size, fov, position, (yaw, pitch))


def _looks_at(camera: Camera) -> float:
    """Return the z of the ground in the middle of the picture, no farther than 25 m."""
    forward = camera.axes[2]
    reach = min(camera.position[1] / max(-forward[1], 0.05), 25.0)
    return float(camera.position[2] + forward[2] * reach)


def _span(camera: Camera, left: Side, right: Side) -> tuple[float, float]:
    """Return the z between which any of the street is in the picture and not too far."""
    z = np.arange(-90.0, FAR_M + 30.0, 1.0)
    x = np.linspace(-left.line, right.line, 9)
    points = np.stack(np.broadcast_arrays(x[:, None], 0.0, z[None]), axis=2).reshape(-1, 3)
    pixels, depth = camera.project(points)
    seen = visible(pixels, depth, camera)
    shown = points[seen, 2]
    if shown.size == 0:
        return (5.0, 40.0)
    return float(shown.min()) - 6.0, float(shown.max()) + 4.0


def visible(pixels: F64, depth: F64, camera: Camera) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    """Return which projected points lie in the picture, in front of the camera and within `FAR_M`."""
    inside = ((pixels >= 0) & (pixels <= (camera.width, camera.height))).all(axis=1)
    seen: np.ndarray[tuple[int, ...], np.dtype[np.bool_]] = inside & (depth > 1.0) & (depth < FAR_M)
    return seen
