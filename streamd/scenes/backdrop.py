"""Everything that never moves and is no thing: sky, houses and ground, lit and seen through the air."""

import math

import cv2
import numpy as np

from streamd.frames import U8
from streamd.scenes import facade
from streamd.scenes.camera import F32, F64, Camera
from streamd.scenes.ground import ground
from streamd.scenes.light import Light
from streamd.scenes.palette import Palette
from streamd.scenes.plan import Plan

_WINDOW_LIGHT = (130, 205, 250)


def backdrop(
    plan: Plan, camera: Camera, light: Light, palette: Palette, rng: np.random.Generator, sky: tuple[F64, F64, float]
) -> tuple[U8, U8]:
    """Return the picture (H, W, 3) and where ground shows (H, W; 0 or 255).

    `sky` is its colour above, its colour at the horizon, and its share of cloud.
    """
    picture = _sky(camera, sky, rng)
    lit, depth = ground(plan, camera, light, palette, rng)
    open_ground = depth > 0
    air = np.exp(-np.float32(light.fog_per_m + 0.0016) * np.maximum(depth, 0))[..., None]
    haze = np.float32(light.fog if light.fog_per_m else sky[1])
    picture = np.where(open_ground[..., None], lit * air + haze * (1 - air), picture)
    for origin, along, length in sorted(_walls(plan), key=lambda wall: -_distance(wall, camera)):
        hung, depth_wall = _hang(origin, along, length, camera, light, palette, rng)
        alpha = hung[..., 3:] / np.float32(255)
        air = np.exp(-np.float32(light.fog_per_m + 0.0016) * np.maximum(depth_wall, 0))[..., None]
        picture += alpha * (hung[..., :3] * air + haze * (1 - air) - picture)
        open_ground &= alpha[..., 0] < 0.5
    return np.clip(picture, 0, 255).astype(np.uint8), (open_ground * 255).astype(np.uint8)


def _sky(camera: Camera, sky: tuple[F64, F64, float], rng: np.random.Generator) -> F32:
    zenith, low, cloud = sky
    v = np.arange(camera.height, dtype=np.float32)
    rise = np.clip((camera.horizon() - v) / (0.6 * camera.focal_px), 0, 1)[:, None, None]
    picture = np.broadcast_to(low + (zenith - low) * np.sqrt(rise), (camera.height, camera.width, 3)).astype(np.float32)
    noise = np.zeros((camera.height, camera.width), np.float32)
    for octave in range(3):
        small = rng.normal(0, 1, (4 << octave, 5 << octave)).astype(np.float32)
        noise += cv2.resize(small, (camera.width, camera.height), interpolation=cv2.INTER_CUBIC) / (1 << octave)
    clouds = np.clip((noise + 2.2 * cloud - 0.9) * 0.6, 0, 1)[..., None] * np.float32(cloud)
    grey = (low * 0.55 + 115 * (low.mean() / 200)).astype(np.float32)
    mixed: F32 = (picture + clouds * (grey - picture)).astype(np.float32)
    return mixed


def _walls(plan: Plan) -> list[tuple[F64, F64, float]]:
    """Return each row of houses: the ground corner it begins at, its direction, its length."""
    z0, z1 = plan.span[0] - 12, plan.span[1] + 30
    ahead, sideways = np.array([0, 0, 1.0]), np.array([1.0, 0, 0])
    walls: list[tuple[F64, F64, float]] = []
    for side in plan.sides:
        x = side.sign * side.line
        stretches = [(z0, z1)]
        if side.sign > 0 and plan.junction is not None:
            low, high = plan.junction - 5.2, plan.junction + 5.2
            stretches = [(z0, low), (high, z1)]
            if side.frontage == "buildings":
                walls += [(np.array([x, 0, z]), sideways, 22.0) for z in (low, high)]
            walls.append((np.array([x + 26, 0, z0]), ahead, z1 - z0))
        if side.frontage == "buildings":
            walls += [(np.array([x, 0, a]), ahead, b - a) for a, b in stretches if b - a > 1]
        elif side.frontage == "park":
            walls.append((np.array([side.sign * (side.line + 34), 0, z0 - 20]), ahead, z1 - z0 + 40))
    if plan.end is not None:
        walls.append(
            (np.array([-plan.left.line - 20, 0, plan.end + 12]), sideways, plan.left.line + plan.right.line + 40)
        )
    return walls


def _distance(wall: tuple[F64, F64, float], camera: Camera) -> float:
    """Return how far the wall's nearest part is."""
    origin, along, length = wall
    reach = float(np.clip((camera.position - origin) @ along, 0, length))
    return math.dist(origin + reach * along, camera.position)


def _hang(
    origin: F64, along: F64, length: float, camera: Camera, light: Light, palette: Palette, rng: np.random.Generator
) -> tuple[F32, F32]:
    """Return the wall as seen (H, W, 4) with alpha 0..255, lit, and its depth (H, W)."""
    picture, windows = facade.row(length, palette, rng)
    a, b, depth = camera.plane(origin, along, np.array([0, 1.0, 0]))
    outward = np.cross(along, (0, 1.0, 0))
    outward = outward if outward @ (camera.position - origin) > 0 else -outward
    lit = _light(picture, windows, origin, along, outward, light)
    scale = facade.PX_PER_M
    u = np.where(depth > 0.3, a * scale, -9.0).astype(np.float32)
    v = (lit.shape[0] - b * scale).astype(np.float32)
    across = abs(float(along @ camera.axes[2]))
    footprint = depth / np.float32(camera.focal_px) * scale * np.float32(1 + 1.5 * across)
    seen = cv2.remap(lit, u, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    level, small = 1, np.asarray(lit)
    while footprint.max() > 1.6 * level and level < 8:
        level *= 2
        small = np.asarray(cv2.resize(small, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA), np.uint8)
        coarse = cv2.remap(small, u / level, v / level, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
        seen = np.where((footprint > 0.8 * level)[..., None], coarse, seen)
    return seen.astype(np.float32), depth


def _light(picture: U8, windows: U8, origin: F64, along: F64, outward: F64, light: Light) -> U8:
    """Return the wall lit by the sky, by the sun if it faces it, by lamps near its foot, and by its own windows."""
    shade = 0.85 * light.sky + light.sun * max(float(outward @ light.sun_from), 0.0)
    height, width = windows.shape
    factor = np.broadcast_to(shade, (1, width, 3)).astype(np.float32)
    lit = picture.copy()
    if light.lamps_lit:
        metres = np.arange(width) / facade.PX_PER_M
        pools = light.at(
            origin[0] + along[0] * metres + outward[0] * 1.5, origin[2] + along[2] * metres + outward[2] * 1.5
        )
        up = np.clip(1.1 - np.arange(height)[::-1] / (5.5 * facade.PX_PER_M), 0, 1)[:, None, None].astype(np.float32)
        factor = factor + pools[None, :, None] * light.lamp_colour.astype(np.float32) * up
    lit[..., :3] = np.clip(picture[..., :3] * factor, 0, 255)
    if light.lamps_lit:
        glass = 0.6 + 0.5 * picture[..., :3][windows > 0] / 255
        lit[..., :3][windows > 0] = np.clip(np.array(_WINDOW_LIGHT) * glass, 0, 255).astype(np.uint8)
    return lit
