"""Rows of houses as one long picture with alpha, and a mask of the windows that are lit at night.

Drawn flat at `PX_PER_M`; the backdrop hangs it in the street.
"""

import cv2
import numpy as np

from streamd.frames import U8
from streamd.scenes.palette import Palette
from streamd.scenes.shapes import Bgr, blend, tint

PX_PER_M = 24
HEIGHT_M = 19.0


def row(length_m: float, palette: Palette, rng: np.random.Generator) -> tuple[U8, U8]:
    """Return the houses (h, w, 4: B, G, R, alpha) and their lit windows (h, w; 0 or 255), the ground lowest."""
    width, height = int(length_m * PX_PER_M), int(HEIGHT_M * PX_PER_M)
    picture, lit = np.zeros((height, width, 4), np.uint8), np.zeros((height, width), np.uint8)
    x = 0
    while width - x > _px(3):
        wide = int(rng.uniform(7, 15) * PX_PER_M)
        wide = wide if width - x - wide > _px(5) else width - x
        _house(picture, lit, (x, x + wide), palette, rng)
        x += wide
        if rng.random() < 0.1:
            x += int(rng.uniform(1.5, 4) * PX_PER_M)
    grain = rng.normal(0, 3, picture.shape[:2]).astype(np.int16)[..., None]
    picture[..., :3] = np.clip(picture[..., :3] + grain, 0, 255).astype(np.uint8)
    return picture, lit


def _house(picture: U8, lit: U8, span: tuple[int, int], palette: Palette, rng: np.random.Generator) -> None:
    x0, x1 = span
    bottom = picture.shape[0]
    wall = tint(palette.walls[rng.integers(len(palette.walls))], float(rng.uniform(0.85, 1.1)))
    floors = int(rng.integers(2, 5))
    ground, storey = _px(rng.uniform(3.2, 4.0)), _px(rng.uniform(2.8, 3.3))
    top = bottom - ground - floors * storey - _px(0.5)
    _fill(picture, (x0, top, x1, bottom), wall)
    _roof(picture, (x0, x1), top, palette, rng)
    if rng.random() < 0.4:
        for y in range(top, bottom, _px(0.28)):
            cv2.line(picture, (x0, y), (x1, y), (*tint(wall, 0.93), 255), 1)
    _fill(picture, (x0, top, x1, top + _px(0.25)), tint(wall, 1.12))
    _fill(picture, (x0, bottom - ground - _px(0.12), x1, bottom - ground), tint(wall, 0.85))
    _fill(picture, (x0, bottom - _px(0.5), x1, bottom), tint(wall, 0.7))
    count = max(2, int((x1 - x0) / _px(rng.uniform(2.2, 3.4))))
    style = (
        float(rng.uniform(0.35, 0.6)),
        float(rng.uniform(0.5, 0.68)),
        bool(rng.random() < 0.4),
        bool(rng.random() < 0.25),
    )
    for floor in range(floors):
        for i in range(count):
            cx = x0 + (x1 - x0) * (2 * i + 1) // (2 * count)
            cell = ((x1 - x0) // count, storey)
            _window(picture, lit, (cx, top + _px(0.5) + floor * storey + storey // 2), cell, style, wall, rng)
    if rng.random() < 0.55:
        _shop(picture, lit, (x0, x1), (bottom - ground, bottom), rng)
    else:
        _doors(picture, lit, (x0, x1), (bottom - ground, bottom), wall, rng)


def _roof(picture: U8, span: tuple[int, int], top: int, palette: Palette, rng: np.random.Generator) -> None:
    (x0, x1), tiles = span, palette.roofs[rng.integers(len(palette.roofs))]
    kind = rng.random()
    if kind < 0.45:
        rise, inset = _px(rng.uniform(1.2, 2.6)), _px(rng.uniform(0.2, 1.2))
        cv2.fillConvexPoly(
            picture,
            np.array([[x0, top], [x0 + inset, top - rise], [x1 - inset, top - rise], [x1, top]]),
            (*tiles, 255),
            cv2.LINE_AA,
        )
        for y in range(top - rise, top, 5):
            cv2.line(picture, (x0 + inset, y), (x1 - inset, y), (*tint(tiles, 0.88), 255), 1)
    elif kind < 0.65:
        rise = _px(rng.uniform(1.8, 3.0))
        cv2.fillConvexPoly(
            picture, np.array([[x0, top], [(x0 + x1) // 2, top - rise], [x1, top]]), (*tiles, 255), cv2.LINE_AA
        )
    for _ in range(int(rng.integers(0, 3))):
        x = int(rng.uniform(x0, x1 - _px(1)))
        _fill(picture, (x, top - _px(rng.uniform(1.6, 3.0)), x + _px(0.7), top), tint(tiles, 0.8))


def _window(
    picture: U8,
    lit: U8,
    centre: tuple[int, int],
    cell: tuple[int, int],
    style: tuple[float, float, bool, bool],
    wall: Bgr,
    rng: np.random.Generator,
) -> None:
    across, up, shutters, balcony = style
    w, h = int(cell[0] * across / 2), int(cell[1] * up / 2)
    x0, y0, x1, y1 = centre[0] - w, centre[1] - h, centre[0] + w, centre[1] + h
    if shutters:
        for side in (x0 - w // 2, x1):
            _fill(picture, (side, y0, side + w // 2, y1), blend(tint(wall, 0.6), (90, 110, 60), 0.4))
    _fill(picture, (x0 - 2, y0 - 2, x1 + 2, y1 + 2), tint(wall, 1.2))
    _fill(picture, (x0, y0, x1, y1), tint((120, 100, 85), float(rng.uniform(0.6, 1.25))))
    if rng.random() < 0.4:
        _fill(picture, (x0, y0, x1, y0 + int((y1 - y0) * rng.uniform(0.2, 0.7))), (200, 205, 208))
    _fill(picture, (centre[0] - 1, y0, centre[0] + 1, y1), tint(wall, 1.15))
    _fill(picture, (x0 - 3, y1 + 2, x1 + 3, y1 + 5), tint(wall, 0.75))
    if rng.random() < 0.3:
        lit[max(y0, 0) : y1, max(x0, 0) : x1] = 255
    if balcony:
        for x in range(x0 - 6, x1 + 6, 4):
            _fill(picture, (x, y1 - h // 2, x + 1, y1 + 6), (45, 45, 48))
        _fill(picture, (x0 - 7, y1 + 5, x1 + 7, y1 + 9), tint(wall, 0.65))


def _shop(picture: U8, lit: U8, span: tuple[int, int], height: tuple[int, int], rng: np.random.Generator) -> None:
    """A shop front: panes, a sign with strokes for letters, often an awning."""
    (x0, x1), (y0, y1) = span, height
    hue: Bgr = (float(rng.uniform(30, 190)), float(rng.uniform(30, 190)), float(rng.uniform(30, 190)))
    _fill(picture, (x0 + _px(0.3), y0 + _px(0.75), x1 - _px(0.3), y1 - _px(0.4)), tint(hue, 0.55))
    panes = max(2, (x1 - x0) // _px(2.4))
    for i in range(panes):
        a = x0 + _px(0.45) + (x1 - x0 - _px(0.9)) * i // panes
        b = x0 + _px(0.45) + (x1 - x0 - _px(0.9)) * (i + 1) // panes - 4
        low = y1 - _px(0.05 if i == panes // 2 else 0.7)
        _fill(picture, (a, y0 + _px(0.95), b, low), tint((105, 95, 85), float(rng.uniform(0.6, 1.3))))
        for _ in range(4):
            x = int(rng.uniform(a, max(b - 12, a + 1)))
            _fill(
                picture,
                (x, low - _px(rng.uniform(0.3, 1.2)), x + _px(rng.uniform(0.2, 0.5)), low - 2),
                (float(rng.uniform(40, 200)), float(rng.uniform(40, 200)), float(rng.uniform(40, 200))),
            )
        if rng.random() < 0.75:
            lit[y0 + _px(0.95) : low, max(a, 0) : max(b, 0)] = 255
    _fill(picture, (x0 + _px(0.3), y0 + _px(0.1), x1 - _px(0.3), y0 + _px(0.75)), hue)
    x = x0 + _px(rng.uniform(0.8, 2))
    while x < x1 - _px(1.2) and rng.random() < 0.93:
        wide = int(rng.integers(3, 8))
        _fill(picture, (x, y0 + _px(0.25), x + wide, y0 + _px(0.6)), (235, 238, 240))
        x += wide + 3
    if rng.random() < 0.45:
        for i, x in enumerate(range(x0 + _px(0.3), x1 - _px(0.3), _px(0.4))):
            _fill(
                picture,
                (x, y0 + _px(0.8), min(x + _px(0.4), x1 - _px(0.3)), y0 + _px(1.35)),
                hue if i % 2 else (230, 232, 232),
            )


def _doors(
    picture: U8, lit: U8, span: tuple[int, int], height: tuple[int, int], wall: Bgr, rng: np.random.Generator
) -> None:
    (x0, x1), (y0, y1) = span, height
    count = max(2, (x1 - x0) // _px(2.8))
    at = int(rng.integers(count))
    for i in range(count):
        cx = x0 + (x1 - x0) * (2 * i + 1) // (2 * count)
        if i != at:
            _window(
                picture, lit, (cx, (y0 + y1) // 2), ((x1 - x0) // count, y1 - y0), (0.45, 0.45, False, False), wall, rng
            )
            continue
        door: Bgr = (float(rng.uniform(30, 130)), float(rng.uniform(30, 110)), float(rng.uniform(30, 150)))
        _fill(picture, (cx - _px(0.7), y1 - _px(2.6), cx + _px(0.7), y1), tint(wall, 1.2))
        _fill(picture, (cx - _px(0.55), y1 - _px(2.4), cx + _px(0.55), y1), door)
        _fill(picture, (cx - _px(0.35), y1 - _px(2.2), cx + _px(0.35), y1 - _px(1.4)), tint(door, 0.6))


def _fill(picture: U8, rect: tuple[int, int, int, int], colour: Bgr) -> None:
    x0, y0, x1, y1 = (max(v, 0) for v in rect)
    picture[y0:y1, x0:x1] = (*(min(c, 255.0) for c in colour), 255)


def _px(metres: float) -> int:
    return int(metres * PX_PER_M)
