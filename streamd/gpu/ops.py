"""One typed function a kernel that makes model inputs: it checks what it is given and names its stream.

Nothing here allocates, waits, or touches pixels. What a kernel computes is told at the top of its source.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from streamd.gpu.arrays import DeviceArray, Stream, check
from streamd.gpu.kernels import Kernels
from streamd.gpu.layouts import SURFACE

SUFFIX = {np.dtype(np.float32): "f32", np.dtype(np.float16): "f16"}
FLOATS = (np.float32, np.float16)


@dataclass(frozen=True, slots=True)
class Scaling:
    """`p * scale + shift` makes a channel's value of a pixel 0..255, `pad` being the pixel around the picture."""

    pad: float
    scale: tuple[float, float, float]
    shift: tuple[float, float, float]

    @staticmethod
    def of(pad: float, scale: Sequence[float], shift: Sequence[float]) -> "Scaling":
        """Take one value a channel; a gray tensor's one stands for all."""
        s, h = (list(values) * (3 // len(values)) for values in (scale, shift))
        return Scaling(pad, (s[0], s[1], s[2]), (h[0], h[1], h[2]))

    def arguments(self, white: int = 1) -> list[np.float32]:
        """Return the six numbers that end a kernel's arguments, for a kernel whose pixels are 0..255 / `white`."""
        return [np.float32(value) for value in (*(scale * white for scale in self.scale), *self.shift)]


def nv12_letterbox(
    kernels: Kernels, surfaces: DeviceArray, count: int, out: DeviceArray, scaling: Scaling, stream: Stream
) -> None:
    """Fill rows 0..count-1 of `out` (N, C, H, W) from NV12 or P010 surfaces.

    surfaces (N * itemsize,) uint8: rows of SURFACE; out float32 or float16.
    """
    _letterbox("nv12_letterbox", kernels, surfaces, count, out, scaling, stream)


def bgr_letterbox(
    kernels: Kernels, surfaces: DeviceArray, count: int, out: DeviceArray, scaling: Scaling, stream: Stream
) -> None:
    """Fill rows 0..count-1 of `out` (N, C, H, W) from packed BGR pictures; the arrays are as for `nv12_letterbox`."""
    _letterbox("bgr_letterbox", kernels, surfaces, count, out, scaling, stream)


def bgr_normalize(
    kernels: Kernels, pixels: DeviceArray, out: DeviceArray, scaling: Scaling, *, reverse: bool, stream: Stream
) -> None:
    """Fill `out` (N, 3, H, W) from pictures (N, H, W, 3) of that very size.

    `reverse` makes byte 2 of a pixel channel 0: RGB out of BGR.
    """
    check("out", out, FLOATS, (None, 3, None, None))
    rows, _, height, width = out.shape
    check("pixels", pixels, [np.uint8], (rows, height, width, 3))
    kernels.get("bgr_normalize", f"bgr_normalize_{SUFFIX[out.dtype]}")(
        (_blocks(height * width, 1024), rows),
        (256,),
        [pixels, out, np.int32(height * width), np.int32(reverse), *scaling.arguments()],
        stream=stream,
    )


def compile_now(kernels: Kernels, kernel: str, dtype: npt.DTypeLike) -> None:
    """Have the kernel of a function here compiled before its first launch; DeviceError when it does not."""
    kernels.get(kernel, f"{kernel}_{SUFFIX[np.dtype(dtype)]}")


def _letterbox(
    kernel: str,
    kernels: Kernels,
    surfaces: DeviceArray,
    count: int,
    out: DeviceArray,
    scaling: Scaling,
    stream: Stream,
) -> None:
    check("out", out, FLOATS, (None, None, None, None))
    rows, channels, height, width = out.shape
    check("surfaces", surfaces, [np.uint8], (None,))
    if channels not in (1, 3) or not 0 < count <= min(rows, surfaces.shape[0] // SURFACE.itemsize):
        raise ValueError(f"{count} surfaces of {surfaces.shape[0]} bytes do not fill {out.shape}")
    kernels.get(kernel, f"{kernel}_{SUFFIX[out.dtype]}")(
        (_blocks(width, 128), _blocks(height, 8), count),
        (128, 1),
        [
            surfaces,
            out,
            np.int32(channels),
            np.int32(height),
            np.int32(width),
            np.float32(scaling.pad / 255),
            *scaling.arguments(255),
        ],
        stream=stream,
    )


def _blocks(work: int, each: int) -> int:
    return -(-work // each)
