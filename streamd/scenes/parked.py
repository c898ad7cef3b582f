"""Parks cars, trucks and bicycles in a planned street."""

import math

import numpy as np

from streamd.scenes import roadside
from streamd.scenes.bicycles import bicycle
from streamd.scenes.cars import car
from streamd.scenes.cast import BICYCLE, CAR, TRUCK, Standing, blocked, put, stood
from streamd.scenes.palette import Palette
from streamd.scenes.plan import Plan
from streamd.scenes.trucks import truck


def park(plan: Plan, palette: Palette, rng: np.random.Generator) -> list[Standing]:
    """Return the parked cars, trucks and bicycles."""
    things: list[Standing] = []
    z0, z1 = plan.span
    for side in plan.sides:
        if side.parking:
            fill = float(rng.uniform(0.3, 0.95))
            heading = 0.0 if side.sign > 0 else math.pi
            for z in np.arange(6 * math.floor(z0 / 6) + 3, z1, 6.0):
                if rng.random() < fill and not blocked(plan, side, z, 5.0):
                    is_truck = rng.random() < 0.1
                    shape = truck(rng) if is_truck else car(rng)
                    things.append(
                        Standing(
                            put(shape, side.sign * (side.kerb - 1.12), z + float(rng.normal(0, 0.25)), heading),
                            TRUCK if is_truck else CAR,
                        )
                    )
        if rng.random() < 0.45:
            z, x = (
                float(rng.uniform(z0 + 6, max(z1 * 0.6, z0 + 8))),
                side.sign * (side.kerb + float(rng.uniform(1.0, 1.3))),
            )
            things.append(stood(roadside.rack(palette, rng), x, z, -math.pi / 2))
            for i in range(int(rng.integers(1, 6))):
                turn = (math.pi / 2 if rng.random() < 0.7 else -math.pi / 2) + float(rng.normal(0, 0.08))
                things.append(Standing(put(bicycle(rng)(float(rng.uniform(0, 6))), x, z + 0.75 * i, turn), BICYCLE))
    if plan.junction is not None:
        for i in range(int(rng.integers(0, 4))):
            x = plan.right.line + 3.5 + 6 * i
            is_truck = rng.random() < 0.2
            shape = truck(rng) if is_truck else car(rng)
            things.append(
                Standing(
                    put(shape, x, plan.junction + 1.6, math.pi / 2 * (1 if rng.random() < 0.5 else -1)),
                    TRUCK if is_truck else CAR,
                )
            )
    if not plan.road:
        for _ in range(int(rng.integers(0, 4))):
            is_truck = rng.random() < 0.5
            shape = truck(rng) if is_truck else car(rng)
            x, z = (
                rng.uniform(-plan.left.line * 0.3, plan.right.line - 2),
                rng.uniform(z0 + 8, max(z0 + 10, min(z1, 40))),
            )
            things.append(Standing(put(shape, x, z, float(rng.uniform(0, 2 * math.pi))), TRUCK if is_truck else CAR))
    return things
