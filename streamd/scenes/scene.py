"""One street scene: seeded, endless, and any frame of it on demand together with its truth.

Things are drawn far to near. What never moves is painted once; where something moving was drawn behind it, it is laid
over again. Each pixel remembers which thing it shows, so a box is exactly the extent of what can be seen.

A thing is part of the truth when enough of it can be seen: at least `MIN_SHARE` of its silhouette within the picture
is in front, at least `MIN_WHOLE` of the silhouette that an endless picture would show, at least `MIN_AREA` of the
picture's area, and no side of the box under `MIN_SIDE_PX`. Anything less stays unlabelled.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from streamd.errors import DataError
from streamd.frames import U8
from streamd.scenes.actors import populate
from streamd.scenes.backdrop import backdrop
from streamd.scenes.cast import NOTHING
from streamd.scenes.furnish import clear_of, furnish
from streamd.scenes.motion import Pose
from streamd.scenes.paint import Patch, Placed, draw, footing, glow, lay, shade, shadow, silhouette
from streamd.scenes.palette import PALETTES
from streamd.scenes.parked import park
from streamd.scenes.plan import FAR_M, planned
from streamd.scenes.weather import Lens, forecast

CLASSES = ("person", "car", "truck", "bicycle")
MIN_SHARE = 0.25
MIN_WHOLE = 0.1
MIN_AREA = 1 / 6000
MIN_SIDE_PX = 4
_SIDES = (64, 3840)  # the least and the most pixels of a picture's side
_SUN_SHADOW, _FOOTING = 0.45, 0.35  # how much light is lost there
_KEPT = 250  # the most things that an id map of bytes can tell apart


@dataclass(frozen=True, slots=True)
class Truth:
    """One thing that can be seen: its class, its visible extent x1, y1, x2, y2 in pixels, and its visible share.

    The share is of its silhouette within the picture.
    """

    class_id: int
    label: str
    box: tuple[float, float, float, float]
    visible: float


@dataclass(frozen=True, slots=True)
class _Fixed:
    """A painted thing that never moves: how far it is, its id (0 for clutter), and its patch."""

    distance: float
    id: int
    patch: Patch


@dataclass(frozen=True, slots=True)
class _Known:
    """What is known of an id: its class, its silhouette's area within the picture and in all, where its patch lies."""

    class_id: int
    within: int
    area: int
    rect: tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class _Look:
    """An actor as it was last drawn."""

    pose: Pose
    thing: Placed
    patch: Patch | None
    shadows: tuple[tuple[Patch, float], ...]


class Scene:
    """A street scene. `frame` is a pure function of seed, split, size and index."""

    def __init__(
        self, seed: int, *, split: str = "train", width: int = 960, height: int = 540, fps: float = 25.0
    ) -> None:
        if split not in PALETTES:
            raise DataError(f"no split {split!r}", mend=f"choose one of {', '.join(PALETTES)}")
        if min(width, height) < _SIDES[0] or max(width, height) > _SIDES[1]:
            raise DataError(f"a scene of {width}x{height}", mend=f"give both sides {_SIDES[0]} to {_SIDES[1]} pixels")
        self.seed, self.split, self.width, self.height, self.fps = seed, split, width, height, fps
        palette = PALETTES[split]
        self._entropy = (palette.code, seed)
        rng = np.random.default_rng(self._entropy)
        plan, self._camera = planned(rng, width, height)
        weather = forecast(palette, rng)
        clutter, lamps = furnish(plan, palette, rng)
        parked = park(plan, palette, rng)
        self._actors = populate(plan, rng)
        self._light = weather.light(lamps)
        self._picture, self._ground = backdrop(plan, self._camera, self._light, palette, rng, weather.sky)
        self._lens = Lens(weather, width, height, rng)
        self._ids = np.zeros((height, width), np.uint8)
        self._known: dict[int, _Known] = {}
        self._looks: dict[int, _Look] = {}
        self._fixed = self._paint([(s.thing, s.class_id) for s in clear_of(clutter + parked, self._camera.position)])
        self.weather = weather.time

    def frame(self, index: int) -> tuple[U8, tuple[Truth, ...]]:
        """Return frame `index` (H, W, 3 in B, G, R) and what can be seen in it."""
        seconds = index / self.fps
        picture, ids, known = self._picture.copy(), self._ids.copy(), dict(self._known)
        drawn: list[tuple[float, Patch, Placed | None, int]] = []
        touched: list[tuple[int, int, int, int]] = []
        for number, actor in enumerate(self._actors):
            pose = actor.where(seconds)
            at = np.array([pose[0], 0.0, pose[1]])
            distance = math.dist(at, self._camera.position)
            if distance >= FAR_M or not self._camera.sees(at):
                continue
            look = self._look(number, pose, Placed(actor.look(seconds), at, pose[2]))
            for dark, strength in look.shadows:
                shade(dark, picture, self._ground, strength)
                touched.append(_rect(dark))
            if look.patch is not None:
                drawn.append((distance, look.patch, look.thing, actor.class_id))
                touched.append(_rect(look.patch))
        self._lay_all(drawn, touched, picture, ids, known)
        rng = np.random.default_rng((*self._entropy, index))
        return self._lens(picture, rng), _truths(ids, known)

    def frames(self, count: int) -> Iterator[tuple[U8, tuple[Truth, ...]]]:
        """Yield the first `count` frames."""
        for index in range(count):
            yield self.frame(index)

    def _paint(self, things: list[tuple[Placed, int]]) -> list[_Fixed]:
        """Paint what never moves into the background, far to near, and keep its patches."""
        for thing, _ in things:
            for dark, strength in self._shadows(thing):
                shade(dark, self._picture, self._ground, strength)
        fixed: list[_Fixed] = []
        for thing, class_id in sorted(things, key=lambda entry: -math.dist(entry[0].at, self._camera.position)):
            patch = draw(thing, self._camera, self._light)
            if patch is None or patch.within(self.width, self.height) is None:
                continue
            number = 0 if class_id == NOTHING else len(self._known) + 1
            if number:
                if number > _KEPT // 2:
                    continue
                self._known[number] = self._known_of(class_id, patch)
            lay(patch, self._picture)
            _mark(patch, self._ids, number)
            if class_id == NOTHING:
                glow(thing, self._camera, self._light, self._picture)
            fixed.append(_Fixed(math.dist(thing.at, self._camera.position), number, patch))
        return fixed

    def _known_of(self, class_id: int, patch: Patch) -> _Known:
        whole = silhouette(patch)
        overlap = patch.within(self.width, self.height)
        within = 0 if overlap is None else cv2.countNonZero(whole[overlap[2], overlap[3]])
        return _Known(class_id, within, cv2.countNonZero(whole), _rect(patch))

    def _look(self, number: int, pose: Pose, thing: Placed) -> _Look:
        """Return how actor `number` looks; what stands as it stood a frame ago is not drawn again."""
        last = self._looks.get(number)
        if last is None or last.pose != pose or last.thing.shape is not thing.shape:
            last = _Look(pose, thing, draw(thing, self._camera, self._light), self._shadows(thing))
            self._looks[number] = last
        return last

    def _shadows(self, thing: Placed) -> tuple[tuple[Patch, float], ...]:
        """Return where `thing` blocks the sun and where it stands, each with its strength."""
        sun = shadow(thing, self._camera, self._light.sun_from) if self._light.casts_shadows else None
        both = ((sun, _SUN_SHADOW), (footing(thing, self._camera), _FOOTING))
        return tuple((patch, strength) for patch, strength in both if patch is not None)

    def _lay_all(
        self,
        drawn: list[tuple[float, Patch, Placed | None, int]],
        touched: list[tuple[int, int, int, int]],
        picture: U8,
        ids: U8,
        known: dict[int, _Known],
    ) -> None:
        """Lay moving patches and, where they or their shadows touch them, the fixed ones, far to near."""
        again = [
            (f.distance, f.patch, None, f.id)
            for f in self._fixed
            if any(_meet(_rect(f.patch), rect) for rect in touched)
        ]
        number = _KEPT // 2
        for _, patch, thing, of in sorted([*drawn, *again], key=lambda entry: -entry[0]):
            if thing is None:
                lay(patch, picture)
                _mark(patch, ids, of)
                continue
            number += 1
            if number > _KEPT:
                return
            lay(patch, picture)
            known[number] = self._known_of(of, patch)
            _mark(patch, ids, number)
            glow(thing, self._camera, self._light, picture)


def _mark(patch: Patch, ids: U8, number: int) -> None:
    overlap = patch.within(ids.shape[1], ids.shape[0])
    if overlap is not None:
        rows, cols, prows, pcols = overlap
        ids[rows, cols][silhouette(patch)[prows, pcols] > 0] = number


def _truths(ids: U8, known: dict[int, _Known]) -> tuple[Truth, ...]:
    height, width = ids.shape
    truths = []
    for number, thing in known.items():
        left, top = max(thing.rect[0], 0), max(thing.rect[1], 0)
        region = ids[top : max(thing.rect[3], 0), left : max(thing.rect[2], 0)]
        if not region.size:
            continue
        mask = cv2.inRange(region, number, number)
        x, y, w, h = cv2.boundingRect(mask)
        if min(w, h) < MIN_SIDE_PX:
            continue
        seen = cv2.countNonZero(mask[y : y + h, x : x + w])
        share = seen / max(thing.within, 1)
        if seen >= max(MIN_AREA * height * width, MIN_WHOLE * thing.area) and share >= MIN_SHARE:
            box = (float(left + x), float(top + y), float(left + x + w), float(top + y + h))
            truths.append(Truth(thing.class_id, CLASSES[thing.class_id], box, min(share, 1.0)))
    return tuple(truths)


def _rect(patch: Patch) -> tuple[int, int, int, int]:
    height, width = patch.pixels.shape[:2]
    return patch.x, patch.y, patch.x + width, patch.y + height


def _meet(a: tuple[int, int, int, int], b: tuple[int, int, int, int]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
