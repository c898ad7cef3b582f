"""A fixed pinhole camera over a flat street: metres in, pixels out, and back again for planes.

The world is x across the street to the right, y up, z along the street; the ground is y = 0. Must never know what
it looks at.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]

NEAR_M = 0.6  # nothing nearer than this is drawn


@dataclass(frozen=True, slots=True)
class Camera:
    """Where the camera hangs and how it looks: yaw from +z towards +x, pitch below the horizon, both in radians."""

    width: int
    height: int
    focal_px: float
    position: F64
    axes: F64  # rows: right, down, forward

    @staticmethod
    def placed(
        width: int, height: int, fov_rad: float, position: tuple[float, float, float], aim: tuple[float, float]
    ) -> "Camera":
        """Return a camera whose horizontal view spans `fov_rad` at 16:9; `aim` is yaw and pitch."""
        yaw, pitch = aim
        forward = np.array([math.sin(yaw) * math.cos(pitch), -math.sin(pitch), math.cos(yaw) * math.cos(pitch)])
        right = np.array([math.cos(yaw), 0.0, -math.sin(yaw)])
        axes = np.stack([right, np.cross(right, forward), forward])
        span = max(width, height * 16 / 9)
        return Camera(width, height, span / 2 / math.tan(fov_rad / 2), np.array(position), axes)

    def view(self, points: F64) -> F64:
        """Return world `points` (N, 3) as right, down, forward of the camera, in metres."""
        seen: F64 = (points - self.position) @ self.axes.T
        return seen

    def project(self, points: F64) -> tuple[F64, F64]:
        """Return pixels (N, 2) and depths (N,) of `points`; the pixels mean nothing where depth is under `NEAR_M`."""
        seen = self.view(points)
        depth = seen[:, 2]
        scale = self.focal_px / np.maximum(depth, 1e-3)
        return seen[:, :2] * scale[:, None] + (self.width / 2, self.height / 2), depth

    def sees(self, place: F64) -> bool:
        """Return whether a thing that stands at `place` may reach into the picture."""
        right, _, ahead = self.axes @ (place - self.position)
        reach = 10.0  # metres: longer than any thing, its shadow included
        return bool(ahead > -reach / 2 and abs(right) < ahead * self.width / 2 / self.focal_px + reach)

    def plane(self, origin: F64, along: F64, up: F64) -> tuple[F32, F32, F32]:
        """Return the metres (a, b) at which each pixel's ray meets the plane origin + a along + b up, and the depth.

        Depth is negative where the ray never meets it. All three are (H, W).
        """
        to_view = self.axes @ np.stack([along, up, origin - self.position], axis=1)
        intrinsic = np.array([[self.focal_px, 0, self.width / 2], [0, self.focal_px, self.height / 2], [0, 0, 1.0]])
        back = np.linalg.inv(intrinsic @ to_view)
        u = np.arange(self.width, dtype=np.float32)[None] + 0.5
        v = np.arange(self.height, dtype=np.float32)[:, None] + 0.5
        a, b, w = (np.float32(row[0]) * u + np.float32(row[1]) * v + np.float32(row[2]) for row in back)
        depth = (1 / np.where(np.abs(w) < 1e-9, 1e-9, w)).astype(np.float32)
        return (a * depth).astype(np.float32), (b * depth).astype(np.float32), depth

    def horizon(self) -> float:
        """Return the row at which the ground meets the sky."""
        forward = self.axes[2]
        return float(self.height / 2 + self.focal_px * forward[1] / math.hypot(forward[0], forward[2]))
