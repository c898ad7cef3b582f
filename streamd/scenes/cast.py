"""The classes of a street's things, and those that never move: what stands where, and where nothing may."""

from dataclasses import dataclass

import numpy as np

from streamd.scenes.paint import Placed
from streamd.scenes.plan import Plan, Side
from streamd.scenes.shapes import Shape

PERSON, CAR, TRUCK, BICYCLE, NOTHING = 0, 1, 2, 3, -1


@dataclass(frozen=True, slots=True)
class Standing:
    """A thing that never moves, and its class, `NOTHING` for clutter."""

    thing: Placed
    class_id: int


def stood(shape: Shape, x: float, z: float, heading: float) -> Standing:
    """Return clutter that stands at x, z in metres and looks along `heading` in radians."""
    return Standing(put(shape, x, z, heading), NOTHING)


def put(shape: Shape, x: float, z: float, heading: float) -> Placed:
    """Return a shape that stands at x, z in metres and looks along `heading` in radians."""
    return Placed(shape, np.array([x, 0.0, z]), heading)


def blocked(plan: Plan, side: Side, z: float, room: float = 3.5) -> bool:
    """Return whether `z` must stay free: at the zebra crossing, and where the side road comes in."""
    at_zebra = plan.zebra is not None and abs(z - plan.zebra) < room
    return at_zebra or (side.sign > 0 and plan.junction is not None and abs(z - plan.junction) < room + 2.5)
