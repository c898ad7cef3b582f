"""Time of day, weather and the faults of a cheap camera."""

import math
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

from streamd.frames import U8
from streamd.scenes.camera import F64
from streamd.scenes.light import Light
from streamd.scenes.palette import Palette

Time = Literal["day", "overcast", "dusk", "night"]
_TIMES: tuple[Time, ...] = ("day", "overcast", "dusk", "night")
_SLACK = 48  # pixels by which the tile of noise is larger than the picture


@dataclass(frozen=True, slots=True)
class Weather:
    """What one scene's air and camera are like. `sky` is the colour above, at the horizon, and the share of cloud."""

    time: Time
    sky: tuple[F64, F64, float]
    sky_light: F64
    sun_light: F64
    sun_from: F64
    rain: float  # 0 dry .. 1 pouring
    fog_per_m: float
    noise: float  # standard deviation in grey levels
    soft: float  # blur in pixels
    quality: int  # of the JPEG that the camera makes; 0 for none

    def light(self, lamps: list[tuple[float, float]]) -> Light:
        """Return the light of a scene whose lamp heads hang over `lamps`."""
        lit = self.time in ("dusk", "night")
        strength = {"night": 0.85, "dusk": 0.35}.get(self.time, 0.0)
        fog = self.sky[1] * 0.92
        heads = np.array(lamps, np.float64).reshape(-1, 2)
        return Light(
            self.sky_light,
            self.sun_light,
            self.sun_from,
            lit,
            heads,
            np.array([0.62, 0.86, 1.0]) * strength,
            fog,
            self.fog_per_m,
        )


def forecast(palette: Palette, rng: np.random.Generator) -> Weather:
    """Return a weather as likely as the palette says."""
    time = _TIMES[rng.choice(4, p=palette.times)]
    rain = float(rng.uniform(0.3, 1)) if rng.random() < palette.rain else 0.0
    if rain and time == "day":
        time = "overcast"
    fog = float(rng.uniform(0.008, 0.035)) if rng.random() < palette.fog else 0.006 * rain
    if fog > 0.006 and time == "day":
        time = "overcast"
    around, height = rng.uniform(0, 2 * math.pi), math.radians(rng.uniform(24, 62))
    sun_from = np.array([math.cos(height) * math.sin(around), math.sin(height), math.cos(height) * math.cos(around)])
    exposure = float(rng.uniform(0.9, 1.12))
    white = np.array([1 + rng.uniform(-0.05, 0.05), 1.0, 1 + rng.uniform(-0.05, 0.05)]) * exposure
    sky, ambient, sun = {
        "day": (((205, 150, 95), (235, 220, 205), rng.uniform(0, 0.6)), (0.66, 0.60, 0.56), (0.54, 0.62, 0.68)),
        "overcast": (((190, 185, 180), (222, 220, 218), 0.8), (1.0, 0.98, 0.96), (0.08, 0.06, 0.06)),
        "dusk": (((125, 80, 75), (120, 150, 225), rng.uniform(0.2, 0.6)), (0.50, 0.42, 0.42), (0.10, 0.17, 0.26)),
        "night": (((32, 20, 16), (52, 40, 36), 0.2), (0.30, 0.245, 0.215), (0.0, 0.0, 0.0)),
    }[time]
    if time == "dusk":
        white = white * rng.uniform(0.9, 1.25)
    dim = 1 - 0.18 * rain
    above, low, cloud = sky
    return Weather(
        time,
        (np.array(above) * white * dim, np.array(low) * white * dim, max(float(cloud), rain)),
        np.array(ambient) * white * dim, np.array(sun) * white * (1 - rain), sun_from, rain, fog,
        noise=float(rng.gamma(1.6, 1.5) + {"night": 3.5, "dusk": 1.5}.get(time, 0.3)),
        soft=float(rng.uniform(0.4, 1.1)) if rng.random() < 0.35 else 0.0,
        quality=int(rng.integers(22, 70)) if rng.random() < 0.4 else 0,
    )  # fmt: skip


class Lens:
    """Lays rain, noise and the camera's faults over finished frames; all that is random is drawn beforehand."""

    def __init__(self, weather: Weather, width: int, height: int, rng: np.random.Generator) -> None:
        self._weather = weather
        noise = rng.normal(0, weather.noise, (height + _SLACK, width + _SLACK, 1)) * (0.8, 0.7, 0.9)
        noise += rng.normal(0, weather.noise * 0.5, noise.shape)
        self._lighter = np.clip(noise, 0, 90).astype(np.uint8)
        self._darker = np.clip(-noise, 0, 90).astype(np.uint8)
        self._rain = [_streaks(weather.rain, width, height, rng) for _ in range(5)] if weather.rain else []

    def __call__(self, frame: U8, rng: np.random.Generator) -> U8:
        """Return `frame` as the camera delivers it; `rng` shifts noise and rain from frame to frame."""
        weather = self._weather
        if self._rain:
            frame = np.asarray(cv2.add(frame, self._rain[rng.integers(len(self._rain))]), np.uint8)
        if weather.soft:
            frame = np.asarray(cv2.GaussianBlur(frame, (3, 3), weather.soft), np.uint8)
        if weather.noise >= 1:
            height, width = frame.shape[:2]
            y, x, v, u = rng.integers(0, _SLACK, 4)
            brighter = cv2.add(frame, self._lighter[y : y + height, x : x + width])
            frame = np.asarray(cv2.subtract(brighter, self._darker[v : v + height, u : u + width]), np.uint8)
        if weather.quality:
            _, packed = cv2.imencode(".jpg", frame, (cv2.IMWRITE_JPEG_QUALITY, weather.quality))
            frame = np.asarray(cv2.imdecode(packed, cv2.IMREAD_COLOR), np.uint8)
        return frame


def _streaks(rain: float, width: int, height: int, rng: np.random.Generator) -> U8:
    layer = np.zeros((height, width), np.uint8)
    slant = rng.uniform(-0.12, 0.12)
    scale = height / 540
    for _ in range(int(60 + 420 * rain)):
        x, y = rng.uniform(0, width), rng.uniform(-0.1 * height, height)
        length = rng.uniform(10, 46) * scale
        end = (round(x + slant * length), round(y + length))
        cv2.line(layer, (round(x), round(y)), end, int(rng.integers(16, 60)), 1, cv2.LINE_AA)
    return np.asarray(cv2.cvtColor(cv2.blur(layer, (1, 3)), cv2.COLOR_GRAY2BGR), np.uint8)
