"""Who is where at which moment: closed formulas of time, so that any frame can be asked for alone.

Everything that moves runs round a loop longer than the camera sees. Traffic of a street with a zebra crossing shares
one flow that stops and goes; people cross while it stands.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from streamd.scenes.shapes import Shape

Pose = tuple[float, float, float]  # x, z, heading


@dataclass(frozen=True, slots=True)
class Flow:
    """How far traffic has come at a moment: steady, or one loop a cycle with a stop at its end."""

    loop_m: float
    speed: float  # m/s when steady
    stop_s: float  # 0 when steady
    offset_s: float

    def come(self, t: float) -> float:
        """Return the metres covered by time `t`."""
        if not self.stop_s:
            return self.speed * (t + self.offset_s)
        cycle, within = divmod(t + self.offset_s, self.go_s + self.stop_s)
        share = min(within / self.go_s, 1.0)
        return self.loop_m * (cycle + share * share * (3 - 2 * share))

    @property
    def go_s(self) -> float:
        """Seconds that one loop takes when traffic stops and goes."""
        return self.loop_m / self.speed

    def standing(self, t: float) -> tuple[int, float]:
        """Return the number of the cycle and how much of its stop has passed: under 0 before it, 1 at its end."""
        cycle, within = divmod(t + self.offset_s, self.go_s + self.stop_s)
        return int(cycle), (within - self.go_s) / max(self.stop_s, 1e-9)


@dataclass(frozen=True, slots=True)
class InLane:
    """Something that runs along the street at `x`, `start` metres into the loop that begins at `low`."""

    flow: Flow
    x: float
    low: float
    start: float
    way: int  # +1 towards +z

    def __call__(self, t: float) -> Pose:
        """Return where it is at `t` seconds."""
        along = (self.start + self.way * self.flow.come(t)) % self.flow.loop_m
        return self.x, self.low + along, 0.0 if self.way > 0 else math.pi


@dataclass(frozen=True, slots=True)
class Strolling:
    """Someone who walks straight on over a rectangle that closes on itself."""

    start: tuple[float, float]
    heading: float
    speed: float
    low: tuple[float, float]
    size: tuple[float, float]

    def __call__(self, t: float) -> Pose:
        """Return where they are at `t` seconds."""
        x = (self.start[0] + math.sin(self.heading) * self.speed * t) % self.size[0]
        z = (self.start[1] + math.cos(self.heading) * self.speed * t) % self.size[1]
        return self.low[0] + x, self.low[1] + z, self.heading


@dataclass(frozen=True, slots=True)
class Crossing:
    """Someone who crosses from kerb to kerb while the flow stands, and waits on the other side for the next stop."""

    flow: Flow
    z: float
    left: float
    right: float
    late: float  # share of the stop that passes before they set out

    def __call__(self, t: float) -> Pose:
        """Return where they are at `t` seconds."""
        cycle, stood = self.flow.standing(t)
        share = min(max((stood - self.late) / 0.62, 0.0), 1.0)
        over = share if cycle % 2 == 0 else 1 - share
        return self.left + (self.right - self.left) * over, self.z, math.pi / 2 * (1 if cycle % 2 == 0 else -1)

    def moving(self, t: float) -> bool:
        """Return whether they are on their way at `t` seconds."""
        _, stood = self.flow.standing(t)
        return 0 < stood - self.late < 0.62


@dataclass(frozen=True, slots=True)
class Actor:
    """One moving thing: its class (-1 for none), where it is, and its look at a moment and at metres travelled."""

    class_id: int
    where: Callable[[float], Pose]
    look: Callable[[float], Shape]
    lit: bool = True  # whether its lamps burn when lamps are lit


def steady(rng: np.random.Generator, loop_m: float, speed: float) -> Flow:
    """Return a flow that never stops."""
    return Flow(loop_m, speed, 0.0, float(rng.uniform(0, 60)))
