"""Furnishes a planned street with what is no class: lamps, trees, street furniture."""

import math

import numpy as np

from streamd.scenes import clutter, greenery, roadside
from streamd.scenes.camera import F64
from streamd.scenes.cast import Standing, blocked, stood
from streamd.scenes.paint import Placed
from streamd.scenes.palette import Palette
from streamd.scenes.plan import Plan, Side


def furnish(plan: Plan, palette: Palette, rng: np.random.Generator) -> tuple[list[Standing], list[tuple[float, float]]]:
    """Return what stands about and is no class, and the lamp heads."""
    things: list[Standing] = []
    lamps: list[tuple[float, float]] = []
    z0, z1 = plan.span
    for side in plan.sides:
        inward = -side.sign * math.pi / 2
        for z in np.arange(z0 + rng.uniform(0, 12), z1, float(rng.uniform(14, 22))):
            if not blocked(plan, side, float(z)):
                x = side.sign * (side.kerb + (0.5 if plan.road else 6.0))
                things.append(stood(roadside.lamp_post(palette, rng), x, float(z), inward))
                lamps.append((x - side.sign * roadside.LAMP_ARM_M, float(z)))
        if rng.random() < 0.6:
            offset = 0.9 if side.line - side.kerb > 3.2 else -2.5 + side.line - side.kerb + 4.0
            x = side.sign * (side.kerb + offset)
            things += [
                stood(greenery.tree(palette, rng), x, float(z), 0.0)
                for z in np.arange(z0 + rng.uniform(0, 9), z1, float(rng.uniform(7, 15)))
                if not blocked(plan, side, float(z)) and rng.random() < 0.8
            ]
        things += _furniture(plan, side, palette, rng)
        if side.frontage != "buildings":
            things += _greenery(plan, side, palette, rng)
    if plan.zebra is not None:
        for side, dz, heading in ((plan.left, 2.3, 0.0), (plan.right, -2.3, math.pi)):
            things.append(
                stood(roadside.traffic_light(palette, rng), side.sign * (side.kerb + 0.35), plan.zebra + dz, heading)
            )
    return things, lamps


def clear_of(standing: list[Standing], camera: F64) -> list[Standing]:
    """Return those that do not stand right before the camera: what is tall keeps 11 m away, the rest 5 m."""

    def away(thing: Placed) -> bool:
        tall = float(thing.shape.points[:, 1].max()) > 2.2
        return math.hypot(thing.at[0] - camera[0], thing.at[2] - camera[2]) > (11.0 if tall else 5.0)

    return [entry for entry in standing if away(entry.thing)]


def _furniture(plan: Plan, side: Side, palette: Palette, rng: np.random.Generator) -> list[Standing]:
    makers, weights = zip(*clutter.FURNITURE.values(), strict=True)
    share = np.array(weights) / sum(weights)
    z0, z1 = plan.span
    things: list[Standing] = []
    for _ in range(int(rng.poisson((z1 - z0) / 60 * rng.uniform(3, 12)))):
        z = float(rng.uniform(z0, z1))
        x = side.sign * (
            side.kerb + 0.55 if rng.random() < 0.55 and plan.road else side.line - float(rng.uniform(0.4, 0.7))
        )
        if not blocked(plan, side, z):
            turn = -side.sign * math.pi / 2 if rng.random() < 0.6 else float(rng.uniform(0, 2 * math.pi))
            things.append(stood(makers[rng.choice(len(makers), p=share)](palette, rng), x, z, turn))
    for maker, chance in ((roadside.shelter, 0.22), (clutter.kiosk, 0.12), (clutter.skip, 0.14)):
        z = float(rng.uniform(z0 + 6, max(min(z1, 50.0), z0 + 8)))
        if rng.random() < chance and side.line - side.kerb > 3.4 and not blocked(plan, side, z):
            things.append(stood(maker(palette, rng), side.sign * (side.line - 1.2), z, -side.sign * math.pi / 2))
    return things


def _greenery(plan: Plan, side: Side, palette: Palette, rng: np.random.Generator) -> list[Standing]:
    """Trees, bushes and benches of a park, or of the open side under the camera, where nothing tall may stand."""
    z0, z1 = plan.span
    things: list[Standing] = []
    if side.frontage == "open":
        for _ in range(int(rng.integers(0, 6))):
            maker = (greenery.bush, greenery.planter, clutter.litter_bin, roadside.bollard)[rng.integers(4)]
            things.append(
                stood(
                    maker(palette, rng),
                    side.sign * (side.line + float(rng.uniform(-0.5, 1.5))),
                    float(rng.uniform(z0, z1)),
                    0.0,
                )
            )
        return things
    for _ in range(int((z1 - z0) / 60 * rng.integers(8, 20))):
        x, z = side.sign * (side.line + float(rng.uniform(1.5, 30))), float(rng.uniform(z0 - 5, z1 + 15))
        if not blocked(plan, side, z):
            maker = greenery.tree if rng.random() < 0.6 else greenery.bush
            things.append(stood(maker(palette, rng), x, z, 0.0))
    return things
