"""Colours as Y, U and V: one for every class, told apart by eye, in the picture's own matrix and range."""

import colorsys

from streamd.frames import LUMA, Colour

Rgb = tuple[float, float, float]  # each 0..1
Yuv = tuple[int, int, int]

WHITE: Rgb = (1.0, 1.0, 1.0)
BLACK: Rgb = (0.0, 0.0, 0.0)

_GOLDEN = 0.6180339887498949  # steps of the golden ratio spread hues evenly, however many classes there are


def of_class(class_id: int) -> Rgb:
    """Return the colour of a class, the same in every run."""
    hue = (0.33 + class_id * _GOLDEN) % 1.0
    return colorsys.hsv_to_rgb(hue, 0.78, 1.0 if class_id % 2 == 0 else 0.88)


def to_yuv(rgb: Rgb, colour: Colour) -> Yuv:
    """Convert RGB (0..1) to 8-bit Y, Cb and Cr. Source: ITU-R BT.601-7 and BT.709-6, quantised as H.273 says."""
    red, green, blue = rgb
    weight_red, weight_blue = LUMA[colour.matrix]
    luma = weight_red * red + (1 - weight_red - weight_blue) * green + weight_blue * blue
    chroma_blue = (blue - luma) / (2 * (1 - weight_blue))
    chroma_red = (red - luma) / (2 * (1 - weight_red))
    offset, luma_span, chroma_span = (0, 255, 255) if colour.full_range else (16, 219, 224)
    return (
        round(offset + luma_span * luma),
        min(255, round(128 + chroma_span * chroma_blue)),
        min(255, round(128 + chroma_span * chroma_red)),
    )


def text_on(rgb: Rgb) -> Rgb:
    """Return black or white, whichever reads better on `rgb`. Source: relative luminance, WCAG 2.2."""
    linear = [channel / 12.92 if channel <= 0.04045 else ((channel + 0.055) / 1.055) ** 2.4 for channel in rgb]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return BLACK if luminance > 0.179 else WHITE
