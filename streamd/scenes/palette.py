"""The colours of places, and how often each kind of light and weather comes; the two splits share none of the colours.

All colours are B, G, R in 0..255.
"""

from dataclasses import dataclass

import numpy as np

from streamd.scenes.shapes import Bgr


@dataclass(frozen=True, slots=True)
class Palette:
    """What one split's streets are painted with."""

    code: int  # mixed into every seed, so that no two splits share a scene
    walls: tuple[Bgr, ...]
    roofs: tuple[Bgr, ...]
    asphalt: tuple[Bgr, ...]
    paving: tuple[Bgr, ...]
    grass: tuple[Bgr, ...]
    leaves: tuple[Bgr, ...]
    furniture: tuple[Bgr, ...]
    times: tuple[float, float, float, float]  # day, overcast, dusk, night
    rain: float
    fog: float


PALETTES = {
    "train": Palette(
        code=1,
        walls=(
            (150, 185, 205), (120, 140, 185), (175, 190, 195), (95, 115, 160), (200, 210, 215), (140, 165, 175),
            (85, 100, 130), (165, 195, 225), (130, 130, 135), (190, 175, 160),
        ),
        roofs=((60, 70, 120), (70, 70, 75), (85, 95, 135)),
        asphalt=((92, 92, 95), (108, 106, 104), (80, 82, 86), (120, 118, 116)),
        paving=((150, 155, 160), (135, 145, 158), (165, 165, 165), (125, 130, 138)),
        grass=((60, 120, 85), (50, 105, 80), (75, 125, 105)),
        leaves=((45, 105, 60), (40, 90, 70), (60, 125, 90), (50, 115, 125)),
        furniture=((70, 75, 60), (60, 60, 62), (50, 80, 45), (110, 85, 50), (60, 60, 160), (120, 125, 128)),
        times=(0.46, 0.22, 0.15, 0.17),
        rain=0.14,
        fog=0.10,
    ),
    "held-out": Palette(
        code=2,
        walls=(
            (185, 170, 140), (160, 200, 190), (110, 125, 150), (205, 195, 185), (125, 155, 200), (150, 150, 160),
            (100, 130, 120), (180, 205, 235), (170, 160, 175),
        ),
        roofs=((80, 85, 100), (55, 60, 95), (95, 85, 80)),
        asphalt=((100, 98, 92), (86, 88, 88), (114, 112, 114)),
        paving=((158, 152, 148), (140, 150, 150), (128, 138, 150), (172, 170, 160)),
        grass=((70, 130, 100), (55, 112, 70)),
        leaves=((55, 112, 78), (38, 98, 55), (70, 130, 110), (45, 90, 120)),
        furniture=((80, 80, 75), (52, 62, 56), (95, 70, 45), (70, 75, 150), (132, 130, 125)),
        times=(0.34, 0.22, 0.22, 0.22),
        rain=0.22,
        fog=0.16,
    ),
}  # fmt: skip


def pick(colours: tuple[Bgr, ...], rng: np.random.Generator) -> Bgr:
    """Return one of the colours."""
    return colours[rng.integers(len(colours))]
