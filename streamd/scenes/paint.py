"""From a shape that stands somewhere to a patch of pixels, and from patches to a picture.

A patch is premultiplied B, G, R, alpha, so laying one over a picture is one multiply and one add. Parts are filled
with OpenCV's anti-aliased polygons at 1/16 pixel. Must never know what a thing is called.
"""

import math
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
import numpy.typing as npt

from streamd.frames import U8
from streamd.scenes.camera import F64, NEAR_M, Camera
from streamd.scenes.light import Light
from streamd.scenes.shapes import Shape

_SHIFT = 4  # bits of a pixel that polygon corners keep
_ARC = 7  # corners of a limb's round end
_TURNS = np.linspace(-math.pi / 2, math.pi / 2, _ARC)
_COS, _SIN = np.cos(_TURNS), np.sin(_TURNS)
_LOW_M = 1.2  # what is higher does not darken the ground under it
_MARGIN = 1.0  # how far outside the picture a patch is still drawn, in pictures


@dataclass(frozen=True, slots=True)
class Placed:
    """A shape that stands at `at` with its own +z turned towards +x by `heading` radians."""

    shape: Shape
    at: F64  # 3
    heading: float

    def turned(self, vectors: F64) -> F64:
        """Return `vectors` (N, 3) of the shape as directions in the world."""
        c, s = math.cos(self.heading), math.sin(self.heading)
        world: F64 = vectors @ np.array([[c, 0, -s], [0, 1, 0], [s, 0, c]])
        return world

    def points(self) -> F64:
        """Return the shape's points in the world (P, 3)."""
        return self.turned(self.shape.points) + self.at


@dataclass(frozen=True, slots=True)
class Patch:
    """Premultiplied pixels (h, w, 4) whose top left corner lies at x, y of the picture; either may be negative."""

    x: int
    y: int
    pixels: U8

    def within(self, width: int, height: int) -> tuple[slice, slice, slice, slice] | None:
        """Return the rows and columns of the picture, then of the patch, that overlap; None where none do."""
        h, w = self.pixels.shape[:2]
        x0, y0, x1, y1 = max(self.x, 0), max(self.y, 0), min(self.x + w, width), min(self.y + h, height)
        if x0 >= x1 or y0 >= y1:
            return None
        return (
            slice(y0, y1), slice(x0, x1), slice(y0 - self.y, y1 - self.y), slice(x0 - self.x, x1 - self.x)
        )  # fmt: skip


def draw(thing: Placed, camera: Camera, light: Light) -> Patch | None:
    """Return the patch that `thing` covers, lit; None where it is behind the camera, or under a pixel."""
    shape = thing.shape
    world = thing.points()
    pixels, depth = camera.project(world)
    if depth.min() < NEAR_M:
        return None
    radii = shape.radii * camera.focal_px / depth
    rect = _bounds(pixels, radii, camera)
    if rect is None:
        return None
    x, y, w, h = rect
    normals = thing.turned(shape.normals)
    order = _order(shape, world, normals, camera)
    lit = light.parts(shape.colours, normals, np.array(shape.glowing), thing.at, float(np.median(depth)))
    canvas = np.zeros((h, w, 4), np.uint8)
    corners = _corners(shape, pixels - (x, y), radii)
    colours = np.clip(lit, 0, 255).tolist()
    for i in order:
        b, g, r = colours[i]
        cv2.fillConvexPoly(canvas, corners[i], (b, g, r, 255), cv2.LINE_AA, _SHIFT)
    return Patch(x, y, canvas)


def lay(patch: Patch, picture: U8) -> None:
    """Lay `patch` over `picture` (H, W, 3) in place."""
    overlap = patch.within(picture.shape[1], picture.shape[0])
    if overlap is None:
        return
    rows, cols, prows, pcols = overlap
    above = patch.pixels[prows, pcols]
    clear = cv2.cvtColor(cv2.bitwise_not(above[:, :, 3]), cv2.COLOR_GRAY2BGR)
    below = cv2.multiply(picture[rows, cols], clear, scale=1 / 255)
    picture[rows, cols] = cv2.add(below, cv2.cvtColor(above, cv2.COLOR_BGRA2BGR))


def silhouette(patch: Patch) -> U8:
    """Return 255 where the patch covers more than half a pixel, else 0."""
    return np.asarray(cv2.threshold(patch.pixels[:, :, 3], 127, 255, cv2.THRESH_BINARY)[1], np.uint8)


def shadow(thing: Placed, camera: Camera, towards_sun: F64) -> Patch | None:
    """Return the shadow that `thing` casts on the ground, alpha alone; None where unseen.

    What is all faces, as a car is, casts the hull of its corners; what has limbs casts each of them.
    """
    shape = thing.shape
    world = thing.points()
    ground = world - towards_sun * (world[:, 1] / towards_sun[1])[:, None]
    solid = bool((shape.radii > 0).mean() < 0.2)
    return _cast(shape, ground, camera, hull=solid)


def footing(thing: Placed, camera: Camera) -> Patch | None:
    """Return the ground that `thing` keeps the sky from: the hull of what is under `_LOW_M`; None where unseen."""
    world = thing.points()
    ground = np.where(world[:, 1:2] < _LOW_M, world * (1.0, 0.0, 1.0), thing.at)
    return _cast(thing.shape, ground, camera, hull=True)


def _cast(shape: Shape, ground: F64, camera: Camera, *, hull: bool) -> Patch | None:
    """Return points on the ground as a patch of alpha: their hull, or the parts they make."""
    pixels, depth = camera.project(ground)
    if depth.min() < NEAR_M:
        return None
    radii = shape.radii * camera.focal_px / depth
    rect = _bounds(pixels, radii, camera)
    if rect is None:
        return None
    x, y, w, h = rect
    canvas = np.zeros((h, w), np.uint8)
    if hull:
        around = np.round((pixels - (x + 0.5, y + 0.5)) * (1 << _SHIFT)).astype(np.int32)
        cv2.fillConvexPoly(canvas, cv2.convexHull(around), 255, cv2.LINE_8, _SHIFT)
        return Patch(x, y, canvas)
    for outline in _corners(shape, pixels - (x, y), radii):
        cv2.fillConvexPoly(canvas, outline, 255, cv2.LINE_8, _SHIFT)
    return Patch(x, y, canvas)


def shade(patch: Patch, picture: U8, ground: U8, strength: float) -> None:
    """Darken `picture` in place by `strength` under the alpha-only `patch`, where `ground` (H, W) is 255."""
    overlap = patch.within(picture.shape[1], picture.shape[0])
    if overlap is None:
        return
    rows, cols, prows, pcols = overlap
    dark = cv2.bitwise_and(cv2.blur(patch.pixels, (3, 3))[prows, pcols], ground[rows, cols])
    keep = cv2.LUT(dark, _ramp(strength))
    picture[rows, cols] = cv2.multiply(picture[rows, cols], cv2.cvtColor(keep, cv2.COLOR_GRAY2BGR), scale=1 / 255)


def glow(thing: Placed, camera: Camera, light: Light, picture: U8) -> None:
    """Add the halos of the lamps of `thing` that are lit and shine towards the camera."""
    lamps = thing.shape.lamps
    if not light.lamps_lit or not lamps:
        return
    world = thing.turned(np.array([lamp.at for lamp in lamps], np.float64)) + thing.at
    facing = thing.turned(np.array([lamp.facing for lamp in lamps], np.float64))
    pixels, depth = camera.project(world)
    towards = camera.position - world
    cosine = (facing * towards).sum(axis=1) / np.linalg.norm(towards, axis=1)
    for lamp, at, far, share in zip(lamps, pixels, depth, cosine, strict=True):
        if far > NEAR_M and share > 0.05:
            _halo(picture, at, lamp.reach_m * camera.focal_px / far, np.array(lamp.colour) * min(1.0, 0.35 + share))


def _halo(picture: U8, at: F64, radius: float, colour: F64) -> None:
    r = min(int(radius) + 1, 160)
    steps = np.arange(-r, r + 1, dtype=np.float32) / r
    distance = np.sqrt(steps[:, None] ** 2 + steps[None] ** 2)
    strength = np.clip(1 - distance, 0, 1) ** 3 + 1.2 * np.clip(1 - 5 * distance, 0, 1)
    patch = np.clip(strength[..., None] * colour.astype(np.float32), 0, 255).astype(np.uint8)
    overlap = Patch(int(at[0]) - r, int(at[1]) - r, patch).within(picture.shape[1], picture.shape[0])
    if overlap is not None:
        rows, cols, prows, pcols = overlap
        picture[rows, cols] = cv2.add(picture[rows, cols], patch[prows, pcols])


def _ramp(strength: float) -> U8:
    ramp: U8 = np.round(255 - strength * np.arange(256)).astype(np.uint8)
    return ramp


def _bounds(pixels: F64, radii: F64, camera: Camera) -> tuple[int, int, int, int] | None:
    """Return x, y, w, h around all parts, cut at `_MARGIN` outside the picture; None where nothing shows."""
    limits = np.array([camera.width, camera.height])
    low = np.floor((pixels - radii[:, None]).min(axis=0) - 1)
    high = np.ceil((pixels + radii[:, None]).max(axis=0) + 1)
    if (high < 0).any() or (low > limits).any() or (high - low).min() < 3:
        return None
    low = np.maximum(low, -_MARGIN * limits)
    high = np.minimum(high, (1 + _MARGIN) * limits)
    x, y = int(low[0]), int(low[1])
    return x, y, int(high[0]) - x, int(high[1]) - y


def _order(shape: Shape, world: F64, normals: F64, camera: Camera) -> list[int]:
    """Return the parts that face the camera, those of the farthest body first."""
    starts = np.array(shape.starts)
    to_part = world[starts[:-1]] - camera.position
    flat = ~normals.any(axis=1)
    facing = flat | ((normals * to_part).sum(axis=1) < 0)
    bodies = np.array(shape.bodies)
    sums = np.add.reduceat(world, starts[:-1], axis=0)
    counts = np.diff(starts)
    size = int(bodies.max()) + 1
    totals = np.stack([np.bincount(bodies, sums[:, k], size) for k in range(3)], axis=1)
    middle = totals / np.maximum(np.bincount(bodies, counts, size), 1)[:, None]
    far = ((middle - camera.position) ** 2).sum(axis=1)
    far[0] = np.inf
    order = np.argsort(-far[bodies], kind="stable")
    chosen: list[int] = order[facing[order]].tolist()
    return chosen


def _corners(shape: Shape, pixels: F64, radii: F64) -> list[npt.NDArray[np.int32]]:
    """Return each part's outline in 1/16 pixels: the face itself, or the limb's two arcs and sides."""
    fixed = np.round((pixels - 0.5) * (1 << _SHIFT)).astype(np.int32)
    starts = shape.starts
    outlines = [fixed[a:b] for a, b in pairwise(starts)]
    limbs = [i for i, a in enumerate(starts[:-1]) if radii[a] > 0]
    if limbs:
        heads = np.array([starts[i] for i in limbs])
        rounded = _capsules(pixels[heads], pixels[heads + 1], radii[heads], radii[heads + 1])
        for i, outline in zip(limbs, np.round((rounded - 0.5) * (1 << _SHIFT)).astype(np.int32), strict=True):
            outlines[i] = outline
    return outlines


def _capsules(a: F64, b: F64, ra: F64, rb: F64) -> F64:
    """Return the outlines (K, 2 * _ARC, 2) of bars with round ends."""
    along = b - a + (1e-9, 0.0)
    along /= np.sqrt((along * along).sum(axis=1))[:, None]
    across = along[:, ::-1] * (-1.0, 1.0)
    arc = along[:, None] * _COS[:, None] + across[:, None] * _SIN[:, None]  # K,_ARC,2
    return np.concatenate((b[:, None] + rb[:, None, None] * arc, a[:, None] - ra[:, None, None] * arc), axis=1)
