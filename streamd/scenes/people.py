"""People: a skeleton in metres that walks, stands, sits or pedals, dressed in limbs.

Proportions are shares of the height, after the table of body segments in Drillis and Contini (1966), rounded.
"""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from streamd.scenes.shapes import Bgr, Shape, Sketch, blend, tint

Pose = Literal["walk", "stand", "sit", "ride"]
Joint = tuple[float, float, float]

_SKIN: tuple[Bgr, ...] = (
    (180, 205, 240), (150, 185, 225), (120, 160, 205), (95, 130, 180), (60, 90, 140), (45, 65, 100)
)  # fmt: skip
_HAIR: tuple[Bgr, ...] = ((30, 30, 35), (35, 50, 75), (60, 95, 140), (90, 160, 200), (150, 150, 155), (35, 55, 120))
_TOPS: tuple[Bgr, ...] = (
    (60, 60, 190), (170, 90, 40), (70, 130, 60), (230, 230, 230), (40, 40, 45), (90, 190, 230), (150, 110, 150),
    (120, 120, 125), (60, 110, 200), (190, 170, 70), (80, 70, 120), (100, 60, 30), (200, 200, 160),
)  # fmt: skip
_BOTTOMS: tuple[Bgr, ...] = (
    (110, 70, 40), (50, 45, 45), (80, 80, 85), (130, 150, 170), (70, 95, 120), (35, 30, 30), (150, 120, 90),
    (90, 60, 60),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Person:
    """One person's build and clothes; drawn by `shape` at a phase of the stride."""

    height: float
    girth: float
    skin: Bgr
    hair: Bgr
    top: Bgr
    bottom: Bgr
    shoes: Bgr
    long_hair: bool
    hat: bool
    dress: bool
    coat: bool
    shorts: bool
    bag: Literal["none", "rucksack", "satchel"]
    bag_colour: Bgr

    @staticmethod
    def drawn(rng: np.random.Generator) -> "Person":
        """Return someone new."""
        child = rng.random() < 0.12
        dress = rng.random() < 0.15
        bags: tuple[Literal["none", "rucksack", "satchel"], ...] = ("none", "rucksack", "satchel")
        return Person(
            height=float(rng.uniform(1.1, 1.45) if child else rng.normal(1.72, 0.08)),
            girth=float(rng.uniform(0.88, 1.2)),
            skin=_SKIN[rng.integers(len(_SKIN))],
            hair=_HAIR[rng.integers(len(_HAIR))],
            top=tint(_TOPS[rng.integers(len(_TOPS))], float(rng.uniform(0.75, 1.15))),
            bottom=tint(_BOTTOMS[rng.integers(len(_BOTTOMS))], float(rng.uniform(0.75, 1.2))),
            shoes=((40, 40, 45), (220, 220, 220), (40, 60, 100))[rng.integers(3)],
            long_hair=bool(rng.random() < 0.35),
            hat=bool(rng.random() < 0.14),
            dress=dress,
            coat=bool(not dress and rng.random() < 0.22),
            shorts=bool(not dress and rng.random() < 0.18),
            bag=bags[int(rng.choice(3, p=(0.62, 0.2, 0.18)))],
            bag_colour=_TOPS[rng.integers(len(_TOPS))],
        )

    def shape(self, pose: Pose, phase: float) -> Shape:
        """Return the shape at `phase` of the stride (radians); sitting and riding put the hips at the seat's height."""
        h = self.height
        sway = 0.012 * h * math.cos(2 * phase) if pose == "walk" else 0.0
        hip_y = {"walk": 0.51 * h + sway, "stand": 0.52 * h, "sit": 0.30 * h, "ride": 0.97}[pose]
        lean = {"walk": 0.05, "stand": 0.0, "sit": -0.05, "ride": 0.55}[pose]
        hip = (0.0, hip_y, -0.12 if pose == "ride" else 0.0)
        neck = (0.0, hip_y + 0.30 * h * math.cos(lean), hip[2] + 0.30 * h * math.sin(lean))
        sketch = Sketch()
        for side in (-1, 1):
            sketch.body()
            self._leg(sketch, pose, phase + (0 if side < 0 else math.pi), hip, side)
        sketch.body()
        self._torso(sketch, hip, neck)
        for side in (-1, 1):
            sketch.body()
            self._arm(sketch, pose, phase + (math.pi if side < 0 else 0), neck, side)
        sketch.body()
        self._head(sketch, neck, 0.25 if pose == "ride" else 0.0)
        if self.bag == "rucksack":
            sketch.body()
            x, y, z = blend(hip, neck, 0.68)
            sketch.limb((x, y - 0.10, z - 0.17), (x, y + 0.12, z - 0.15), 0.12, 0.10, self.bag_colour)
        return sketch.shape()

    def _leg(self, sketch: Sketch, pose: Pose, phase: float, hip: Joint, side: int) -> None:
        h, g = self.height, self.girth
        x = 0.055 * h * side
        top = (x, hip[1], hip[2])
        if pose == "ride":
            foot = (x, 0.30 + 0.17 * math.sin(phase), 0.12 + 0.17 * math.cos(phase))
            knee = (x * 1.2, (top[1] + foot[1]) / 2 + 0.07, (top[2] + foot[2]) / 2 + 0.26)
        else:
            swing = {"walk": 0.5 * math.sin(phase), "stand": 0.03 * side, "sit": 1.5}[pose]
            bend = {"walk": 0.12 + 0.75 * max(0.0, math.cos(phase + 0.35)) ** 2, "stand": 0.02, "sit": 1.45}[pose]
            knee = _hang(top, 0.25 * h, swing)
            foot = _hang(knee, 0.23 * h, swing - bend)
        bare = self.shorts or self.dress
        sketch.limb(knee, foot, 0.034 * h * g, 0.022 * h, self.skin if bare else self.bottom)
        toe = (foot[0] + 0.02 * side, foot[1] - 0.012 * h, foot[2] + 0.085 * h)
        sketch.limb((foot[0], foot[1] - 0.008 * h, foot[2] - 0.01), toe, 0.022 * h, 0.016 * h, self.shoes)
        sketch.limb(top, knee, 0.050 * h * g, 0.037 * h * g, self.bottom)
        if (self.dress or self.coat) and pose != "ride":
            colour = self.bottom if self.dress else self.top
            sketch.limb(top, blend(top, knee, 0.9), 0.06 * h * g, 0.068 * h * g, colour)

    def _torso(self, sketch: Sketch, hip: Joint, neck: Joint) -> None:
        h, g = self.height, self.girth
        chest = blend(hip, neck, 0.72)
        for side in (-1, 1):
            low = (0.05 * h * side, hip[1], hip[2])
            high = (0.075 * h * side, chest[1], chest[2])
            sketch.limb(low, high, 0.052 * h * g, 0.058 * h * g, tint(self.top, 0.93 if side < 0 else 1.05))
        sketch.limb(hip, chest, 0.062 * h * g, 0.068 * h * g, self.top)
        sketch.limb(
            (-0.095 * h, chest[1] + 0.05 * h, chest[2]),
            (0.095 * h, chest[1] + 0.05 * h, chest[2]),
            0.036 * h,
            0.036 * h,
            self.top,
        )
        sketch.limb(chest, (neck[0], neck[1] - 0.02 * h, neck[2]), 0.06 * h, 0.03 * h, self.top)
        sketch.limb(neck, (neck[0], neck[1] + 0.04 * h, neck[2] + 0.01), 0.027 * h, 0.027 * h, self.skin)
        if self.bag == "satchel":
            sketch.limb(
                (-0.09 * h, chest[1] + 0.06 * h, chest[2] + 0.04),
                (0.13 * h, hip[1], hip[2]),
                0.012,
                0.012,
                self.bag_colour,
            )
            sketch.limb(
                (0.16 * h, hip[1] - 0.03, hip[2] - 0.09),
                (0.16 * h, hip[1] - 0.03, hip[2] + 0.09),
                0.09,
                0.09,
                self.bag_colour,
            )

    def _arm(self, sketch: Sketch, pose: Pose, phase: float, neck: Joint, side: int) -> None:
        h = self.height
        shoulder = (0.115 * h * side, neck[1] - 0.03 * h, neck[2])
        if pose == "ride":
            hand = (0.24 * side, 1.02, 0.44)
            elbow = (0.27 * side, (shoulder[1] + hand[1]) / 2 - 0.06, (shoulder[2] + hand[2]) / 2)
        else:
            swing = {"walk": 0.42 * math.sin(phase), "stand": 0.05, "sit": 0.5}[pose]
            elbow = _hang((shoulder[0] * 1.12, shoulder[1], shoulder[2]), 0.17 * h, swing)
            hand = _hang(elbow, 0.15 * h, swing + 0.3)
        sketch.limb(elbow, hand, 0.023 * h, 0.018 * h, self.top if self.coat else blend(self.top, self.skin, 0.75))
        sketch.ball(hand, 0.022 * h, self.skin)
        sketch.limb(shoulder, elbow, 0.031 * h * self.girth, 0.024 * h, tint(self.top, 0.9))

    def _head(self, sketch: Sketch, neck: Joint, forward: float) -> None:
        h = self.height
        x, y, z = neck[0], neck[1] + 0.105 * h, neck[2] + 0.015 * h + 0.1 * forward
        if self.long_hair:
            sketch.limb((x, y, z - 0.025 * h), (x, y - 0.09 * h, z - 0.03 * h), 0.058 * h, 0.05 * h, self.hair)
            sketch.body()
        sketch.limb((x, y - 0.018 * h, z + 0.006 * h), (x, y + 0.022 * h, z), 0.046 * h, 0.054 * h, self.skin)
        sketch.body()
        sketch.limb(
            (x, y + 0.018 * h, z - 0.022 * h), (x, y + 0.032 * h, z - 0.004 * h), 0.054 * h, 0.054 * h, self.hair
        )
        if self.hat:
            sketch.limb(
                (x, y + 0.05 * h, z - 0.01), (x, y + 0.055 * h, z + 0.05 * h), 0.055 * h, 0.03 * h, self.bag_colour
            )


def _hang(joint: Joint, length: float, angle: float) -> Joint:
    """Return where a bone of `length` ends that hangs from `joint`, swung forward by `angle`."""
    return (joint[0], joint[1] - length * math.cos(angle), joint[2] + length * math.sin(angle))
