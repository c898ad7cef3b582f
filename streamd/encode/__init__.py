"""Pictures in, H.264 access units out.

`choose` decides once, at start, which encoder there is; the maker it returns gives every camera one of its own.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import structlog

from streamd import config
from streamd.encode import nvenc, x264
from streamd.encode.feed import Downloaded, Feed, Planar
from streamd.errors import EncodeError
from streamd.frames import Frame, Packet, Picture, Surface
from streamd.gpu.device import Gpu


class Encoder(Protocol):
    """Turns the pictures of one camera into H.264. One thread at a time."""

    def __call__(self, frame: Frame, picture: Picture | Surface, keyframe: bool) -> Iterable[Packet]:
        """Encode a picture under the stamps of `frame`, as an IDR when `keyframe`.

        Raises:
            EncodeError: the encoder cannot be opened for such a picture, or fails.
        """

    def flush(self) -> Iterable[Packet]:
        """Return what the encoder still holds; the next picture starts anew with an IDR."""

    def close(self) -> None:
        """Let the encoder go; safe twice."""


@dataclass(frozen=True, slots=True)
class Codec:
    """One encoder there may be.

    `probe` raises EncodeError where it is not, `make` sets it up for one camera; `takes_surfaces` tells whether it
    takes pictures in the memory of a GPU as they are.
    """

    probe: Callable[[], None]
    make: Callable[[config.VideoSocket, Sequence[Feed]], Encoder]
    takes_surfaces: Callable[[Gpu], bool] = lambda _gpu: False


ENCODERS: dict[str, Codec] = {
    "libx264": Codec(x264.probe, x264.encoder),
    "h264_nvenc": Codec(nvenc.probe, nvenc.encoder, nvenc.takes_surfaces),
}
AUTO = ("h264_nvenc", "libx264")


def choose(video: config.VideoSocket, gpu: Gpu | None = None) -> Callable[[], Encoder]:
    """Return a maker of the encoder that `video.codec` names; `auto` tries NVENC, then takes libx264.

    With a `gpu` its encoders take surfaces too: as they are where that works, else brought down to the host.

    Raises:
        EncodeError: the encoder that is named is not there.
    """
    log = structlog.get_logger()
    *preferred, last = AUTO if video.codec == "auto" else (video.codec,)
    for name in preferred:
        try:
            ENCODERS[name].probe()
        except EncodeError as error:
            log.info("video encoder not there", codec=name, reason=error.what)
        else:
            last = name
            break
    else:
        ENCODERS[last].probe()
    log.info("video encoder", codec=last)
    feeds = _feeds(ENCODERS[last], gpu)
    return lambda: ENCODERS[last].make(video, feeds())


def _feeds(codec: Codec, gpu: Gpu | None) -> Callable[[], Sequence[Feed]]:
    if gpu is None:
        return lambda: (Planar(),)
    if codec.takes_surfaces(gpu):
        return lambda: (Planar(), nvenc.OnDevice(gpu), Downloaded(gpu))
    return lambda: (Planar(), Downloaded(gpu))
