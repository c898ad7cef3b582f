"""From Y, U, V to R, G, B, as one affine map a colour description.

Coefficients: ITU-R BT.601-7 section 2.5 and ITU-R BT.709-6 section 3 (luma weights and 8-bit quantization).
Full range is that of JFIF: the same weights, Y over 0..255, U and V over 255 steps around 128.
"""

import numpy as np
import numpy.typing as npt

from streamd.frames import LUMA, Colour

F64 = npt.NDArray[np.float64]


def yuv_to_rgb(colour: Colour) -> F64:
    """Return (3, 4): the rows make R, G, B in 0..255, unclipped, from (Y, U, V, 1)."""
    red, blue = LUMA[colour.matrix]
    green = 1 - red - blue
    black, luma, chroma = (0, 1.0, 1.0) if colour.full_range else (16, 255 / 219, 255 / 224)
    v_to_red = 2 * (1 - red) * chroma
    u_to_blue = 2 * (1 - blue) * chroma
    rows = np.array(
        [
            [luma, 0, v_to_red, 0],
            [luma, -u_to_blue * blue / green, -v_to_red * red / green, 0],
            [luma, u_to_blue, 0, 0],
        ]
    )
    rows[:, 3] = -rows[:, :3] @ (black, 128, 128)
    return rows


def yuv_to_gray(colour: Colour) -> F64:
    """Return (1, 4): luma stretched to 0..255, unclipped; what weighing the R, G and B above gives back."""
    black, luma = (0, 1.0) if colour.full_range else (16, 255 / 219)
    return np.array([[luma, 0, 0, -luma * black]])
