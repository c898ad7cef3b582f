"""Text as OpenCV sets it: how large a label is, and the coverage of its letters."""

from dataclasses import dataclass

import cv2

from streamd.frames import U8

FONT = cv2.FONT_HERSHEY_DUPLEX


@dataclass(frozen=True, slots=True)
class Lettering:
    """How a text stands on its label, in pixels: both sides are even, `left` and `baseline` are where it begins."""

    width: int
    height: int
    left: int
    baseline: int
    scale: float


def lay_out(text: str, height: int) -> Lettering:
    """Place `text`, its capitals `height` pixels high, on a label with some ground around it."""
    scale = scale_of(height)
    (width, above), below = cv2.getTextSize(text, FONT, scale, 1)
    pad = max(2, height // 3)
    rows = _even(above + below + pad)
    return Lettering(_even(width + 2 * pad), rows, pad, (rows + above - below // 2) // 2, scale)


def write(mask: U8, text: str, left: int, baseline: int, scale: float) -> None:
    """Draw `text` onto `mask` (H, W), coverage 0..255."""
    cv2.putText(mask, text, (left, baseline), FONT, scale, (255,), 1, cv2.LINE_AA)


def advance(letter: str, scale: float) -> float:
    """Return how far the next letter stands from `letter`, in pixels: measured over many, for OpenCV tells no parts."""
    many = 16
    (ends, _), _ = cv2.getTextSize("HH", FONT, scale, 1)
    (width, _), _ = cv2.getTextSize(f"H{letter * many}H", FONT, scale, 1)
    return (width - ends) / many


def scale_of(height: int) -> float:
    """Return OpenCV's scale at which capitals are `height` pixels high."""
    return float(cv2.getFontScaleFromHeight(FONT, height, 1))


def _even(size: int) -> int:
    return size + size % 2
