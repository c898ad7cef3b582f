"""A camera that is no camera: the street scenes that streamd draws, as a stream without end."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

from streamd import config
from streamd.clock import Clock, Stop
from streamd.decode.address import Address
from streamd.decode.pace import Pace
from streamd.decode.source import Shot, StreamError
from streamd.errors import DataError
from streamd.frames import Colour, Picture

if TYPE_CHECKING:
    from streamd.scenes import Scene

_SLOWEST_FPS = 0.001
_OPTIONS = {"seed": int, "width": int, "height": int, "fps": float, "split": str}


class ScenesSource:
    """Scenes by the options of the URI: `scenes:?seed=3&width=960&height=540&fps=25&split=held-out`."""

    def __init__(self, address: Address, camera: config.Camera, clock: Clock, *_decoding: object) -> None:
        """Read the options; nothing drawn is decoded."""
        self._options = _options(address.shown)
        self._clock = clock
        self._realtime = camera.pace == "realtime"
        self.live = self._realtime
        self.patience_s = 1 / self._options["fps"]
        self._shown = address.shown

    def check(self) -> None:
        """Draw the first frame."""
        self._scene().frame(0)

    def run_once(self, stop: Stop) -> Iterator[Shot]:
        """Draw frame after frame until `stop`."""
        from streamd.scenes.colour import to_i420  # noqa: PLC0415 - draws with OpenCV, which network cameras do not load

        scene = self._scene()
        duration_ns = round(1e9 / self._options["fps"])
        pace = Pace(self._clock) if self._realtime else None
        index = 0
        while not stop.is_set():
            bgr, _ = scene.frame(index)
            y, u, v = to_i420(bgr)
            pts_ns = index * duration_ns
            if pace and pace.wait(pts_ns, duration_ns, stop):
                return
            yield Shot(Picture(y, u, v, Colour()), pts_ns, duration_ns, self._clock.unix_ns())
            index += 1

    def _scene(self) -> "Scene":
        from streamd.scenes import Scene  # noqa: PLC0415 - as above

        options = dict(self._options)
        try:
            return Scene(options.pop("seed"), **options)
        except DataError as error:
            raise StreamError(f"{self._shown}: {error.what}", cause="invalid", mend=error.mend) from error


def _options(uri: str) -> dict[str, Any]:
    values: dict[str, Any] = {"seed": 0, "fps": 25.0}
    parts = urlsplit(uri)
    if parts.path not in ("", "scenes"):
        what = f"{uri}: no option can be read from {parts.path!r}"
        raise StreamError(what, cause="invalid", mend="write scenes:?width=960&height=540")
    for key, text in parse_qsl(parts.query, keep_blank_values=True):
        if key not in _OPTIONS:
            raise StreamError(f"{uri}: no option {key!r}", cause="invalid", mend=f"choose from {', '.join(_OPTIONS)}")
        try:
            values[key] = _OPTIONS[key](text)
        except ValueError as error:
            what = f"{uri}: {key}={text!r} is not a {'whole ' if _OPTIONS[key] is int else ''}number"
            raise StreamError(what, cause="invalid", mend=f"write {key}=25") from error
    for key, low, high in (("fps", _SLOWEST_FPS, 1000), ("seed", 0, 2**63)):
        if not low <= values[key] <= high:
            what = f"{uri}: {key}={values[key]:g} is out of range"
            raise StreamError(what, cause="invalid", mend=f"write {key}=1")
    return values
