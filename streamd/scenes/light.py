"""How a scene is lit: sky, sun, lamps and fog, applied to the colours of parts or of whole pictures.

Colours are B, G, R in 0..255. Must never know what is being lit.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from streamd.scenes.camera import F64


@dataclass(frozen=True, slots=True)
class Light:
    """The sky's and the sun's light as B, G, R factors, the lamps on posts, and the fog that swallows what is far."""

    sky: F64  # 3
    sun: F64  # 3; zeros when there is none
    sun_from: F64  # unit vector towards the sun
    lamps_lit: bool
    lamps: F64  # L,2: x and z of lamp heads over the ground
    lamp_colour: F64  # 3
    fog: F64  # 3, 0..255
    fog_per_m: float

    @property
    def casts_shadows(self) -> bool:
        """Whether the sun is strong enough for sharp shadows."""
        return bool(self.sun.max() > 0.3)

    def at(self, x: npt.NDArray[np.floating], z: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
        """Return the lamps' share of light (...) on the ground at x, z; 1 right under a lamp."""
        total = np.zeros(np.broadcast(x, z).shape, np.float32)
        if self.lamps_lit:
            for lx, lz in self.lamps:
                total += 1 / (1 + ((x - lx) ** 2 + (z - lz) ** 2) / 14).astype(np.float32) ** 1.5
        return total

    def parts(self, colours: F64, normals: F64, glowing: npt.NDArray[np.bool_], place: F64, depth_m: float) -> F64:
        """Return the lit colours (K, 3) of the parts of one thing that stands at `place`, `depth_m` away."""
        flat = ~normals.any(axis=1)
        facing = np.where(flat, 0.55, np.maximum(normals @ self.sun_from, 0.0))
        skyward = np.where(flat, 0.85, 0.7 + 0.3 * normals[:, 1])
        lamp = float(self.at(place[0:1], place[2:3])[0])
        shade = skyward[:, None] * self.sky + facing[:, None] * self.sun + (skyward * lamp)[:, None] * self.lamp_colour
        lit = colours * np.where(glowing[:, None], 1.0, shade)
        return self.through_air(lit, np.float64(depth_m))

    def through_air(self, colours: F64, depth_m: npt.NDArray[np.float64] | np.float64) -> F64:
        """Return `colours` (..., 3) as they arrive from `depth_m` away through the fog."""
        clear = np.exp(-self.fog_per_m * depth_m)[..., None]
        seen: F64 = np.minimum(colours, 255.0) * clear + self.fog * (1 - clear)
        return seen
