"""The ground, one colour a pixel: asphalt, kerbs, paving, grass and painted lines, each softened to a pixel's width.

Every mark is a distance in metres turned into a coverage by the size of a pixel on the ground, so nothing shimmers
far away.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from streamd.scenes.camera import F32, Camera
from streamd.scenes.light import Light
from streamd.scenes.palette import Palette
from streamd.scenes.plan import Plan, Side
from streamd.scenes.shapes import tint

_WHITE = (215, 220, 222)


@dataclass(slots=True)
class _Canvas:
    """Colours being mixed: where each pixel lies (x, z), and how much ground it spans (px, pz), in metres."""

    colour: F32  # H,W,3
    x: F32
    z: F32
    px: F32
    pz: F32

    def mix(self, share: F32, colour: tuple[float, float, float], strength: float = 1.0) -> None:
        """Blend `colour` in by `share` (H, W)."""
        paint = np.array(colour, np.float32)
        self.colour += (share * np.float32(strength))[..., None] * (paint - self.colour)

    def band(self, low: float, high: float) -> F32:
        """Return how much of each pixel lies at low <= x < high."""
        return _step(self.x - np.float32(low), self.px) * _step(np.float32(high) - self.x, self.px)

    def stretch(self, low: float, high: float) -> F32:
        """Return how much of each pixel lies at low <= z < high."""
        return _step(self.z - np.float32(low), self.pz) * _step(np.float32(high) - self.z, self.pz)

    def bars(self, values: F32, size: F32, period: float, share: float) -> F32:
        """Return the coverage of bars, `share` of each `period` of `values`; their mean where finer than a pixel."""
        phase = np.abs(np.mod(values / np.float32(period), 1) - 0.5) * np.float32(period)
        crisp = _step(np.float32(period * share / 2) - phase, size)
        blur = np.clip(size / np.float32(period) * 1.5 - 0.5, 0, 1)
        mixed: F32 = (crisp * (1 - blur) + np.float32(share) * blur).astype(np.float32)
        return mixed


def ground(plan: Plan, camera: Camera, light: Light, palette: Palette, rng: np.random.Generator) -> tuple[F32, F32]:
    """Return the lit ground (H, W, 3), 0..255 and its depth (H, W) in metres; depth is negative above the horizon."""
    whole = camera.plane(np.zeros(3), np.array([1.0, 0, 0]), np.array([0, 0, 1.0]))
    top = min(max(int(camera.horizon()) - 2, 0), camera.height - 1)
    x, z, depth = (values[top:] for values in whole)
    far = (depth <= 0) | (depth > 400)
    x, z, near = np.where(far, 1e3, x), np.where(far, 1e3, z), np.where(far, 400, depth)
    spread = near / np.float32(camera.focal_px)
    graze = np.maximum(camera.position[1] / np.hypot(near, camera.position[1]), 0.02).astype(np.float32)
    yaw = np.abs(camera.axes[2][[0, 2]])
    canvas = _Canvas(
        np.empty((*x.shape, 3), np.float32), x, z,
        spread * (1 + np.float32(yaw[0]) / graze), spread * (1 + np.float32(yaw[1]) / graze),
    )  # fmt: skip
    canvas.colour[:] = _pick(palette.asphalt if plan.road else palette.paving, rng)
    _rough(canvas, rng)
    for side in plan.sides:
        _side(canvas, side, plan, palette, rng)
    if plan.road:
        _road(canvas, plan, rng)
    shade = light.sky + light.sun * max(light.sun_from[1], 0.0)
    pools = light.at(x, z)[..., None] * light.lamp_colour.astype(np.float32)
    lit = canvas.colour * (shade.astype(np.float32) + pools)
    above = ((top, 0), (0, 0))
    return np.pad(lit, (*above, (0, 0))), np.pad(np.where(far, np.float32(-1), depth), above, constant_values=-1)


def _rough(canvas: _Canvas, rng: np.random.Generator) -> None:
    """Grain and patches, from one tile of noise looked up at two scales."""
    tile = rng.normal(0, 1, (256, 256)).astype(np.float32)
    soft = np.asarray(cv2.GaussianBlur(tile, (0, 0), 2.0, borderType=cv2.BORDER_REFLECT), np.float32)
    soft = soft / soft.std()
    fade = np.clip(0.12 / canvas.pz, 0, 1)
    fine = cv2.remap(tile, np.mod(canvas.x * 28, 255), np.mod(canvas.z * 28, 255), cv2.INTER_LINEAR)
    wide = cv2.remap(soft, np.mod(canvas.x * 4.1 + 40, 255), np.mod(canvas.z * 4.1, 255), cv2.INTER_LINEAR)
    canvas.colour += (fine * 7 * fade + wide * 3.0 * np.clip(0.8 / canvas.pz, 0, 1))[..., None]


def _side(canvas: _Canvas, side: Side, plan: Plan, palette: Palette, rng: np.random.Generator) -> None:
    """Kerb, paving and what lies behind it; a side road breaks through on the right."""
    s = side.sign
    paving = _pick(palette.paving, rng)
    gap = np.ones_like(canvas.x)
    if plan.junction is not None and s > 0:
        gap -= canvas.stretch(plan.junction - 3.2, plan.junction + 3.2)
    pavement = _flip(canvas, s, side.kerb, side.line + (60 if side.frontage != "park" else 0.0)) * gap
    canvas.mix(pavement, paving)
    tile = float(rng.choice((0.6, 0.9, 1.5)))
    joints = np.maximum(canvas.bars(canvas.x, canvas.px, tile, 0.05), canvas.bars(canvas.z, canvas.pz, tile, 0.05))
    canvas.mix(joints * pavement, tint(paving, 0.72), 0.7)
    if side.frontage == "park":
        canvas.mix(_flip(canvas, s, side.line, side.line + 300) * gap, _pick(palette.grass, rng))
    if plan.road:
        canvas.mix(_flip(canvas, s, side.kerb - 0.02, side.kerb + 0.16) * gap, (178, 180, 180))
        canvas.mix(_flip(canvas, s, side.kerb - 0.3, side.kerb - 0.02) * gap, (70, 70, 70), 0.5)


def _road(canvas: _Canvas, plan: Plan, rng: np.random.Generator) -> None:
    """Lines, bays and stripes."""
    open_road = np.ones_like(canvas.x)
    if plan.zebra is not None:
        open_road -= canvas.stretch(plan.zebra - 3.2, plan.zebra + 3.2)
    dashes = canvas.bars(canvas.z, canvas.pz, 6.0, 0.5)
    canvas.mix(canvas.band(-0.07, 0.07) * dashes * open_road, _WHITE, 0.85)
    if plan.road > 5:
        for x in (-3.15, 3.15):
            canvas.mix(canvas.band(x - 0.06, x + 0.06) * dashes * open_road, _WHITE, 0.8)
    for side in plan.sides:
        s, edge = side.sign, plan.road
        if side.cycle_lane:
            lane = _flip(canvas, s, edge + 0.1, edge + 1.6)
            canvas.mix(lane, ((70, 80, 150), (110, 120, 80), (95, 95, 97))[rng.integers(3)], 0.45)
            canvas.mix(_flip(canvas, s, edge, edge + 0.12) * open_road, _WHITE, 0.85)
            edge += 1.6
        if side.parking:
            bays = _flip(canvas, s, edge, edge + 2.3)
            canvas.mix(bays * canvas.bars(canvas.z + 3, canvas.pz, 6.0, 0.02), _WHITE, 0.8)
            canvas.mix(_flip(canvas, s, edge - 0.05, edge + 0.05), _WHITE, 0.6)
    if plan.zebra is not None:
        stripes = canvas.bars(canvas.x, canvas.px, 1.0, 0.5) * canvas.stretch(plan.zebra - 1.6, plan.zebra + 1.6)
        canvas.mix(stripes * canvas.band(-plan.left.kerb + 0.3, plan.right.kerb - 0.3), _WHITE, 0.92)
        for s, z in ((-1, plan.zebra + 2.8), (1, plan.zebra - 2.8)):
            canvas.mix(_flip(canvas, -s, 0, plan.road) * canvas.stretch(z - 0.2, z + 0.2), _WHITE, 0.9)
    for _ in range(4):
        mx, mz = rng.uniform(-plan.road, plan.road), rng.uniform(*plan.span)
        inside = _step(np.float32(0.34) - np.hypot(canvas.x - np.float32(mx), canvas.z - np.float32(mz)), canvas.pz)
        canvas.mix(inside, (62, 62, 64), 0.8)


def _flip(canvas: _Canvas, sign: int, low: float, high: float) -> F32:
    """Return a band that is `low` to `high` metres outwards on the side of `sign`."""
    return canvas.band(low, high) if sign > 0 else canvas.band(-high, -low)


def _step(distance: F32, size: F32) -> F32:
    """Return 1 where `distance` is positive, 0 where negative, softened over `size`."""
    share: F32 = np.clip(distance / size + np.float32(0.5), 0, 1)
    return share


def _pick(colours: tuple[tuple[float, float, float], ...], rng: np.random.Generator) -> tuple[float, float, float]:
    return colours[rng.integers(len(colours))]
