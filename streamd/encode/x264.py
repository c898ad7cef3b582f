"""libx264: the software encoder, everywhere."""

from collections.abc import Sequence

from streamd import config
from streamd.encode.feed import Feed, Planar
from streamd.encode.h264 import H264Encoder, open_context
from streamd.frames import Colour

NAME = "libx264"
PRESETS = (
    "ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow",
)  # fmt: skip


def encoder(video: config.VideoSocket, feeds: Sequence[Feed] = (Planar(),)) -> H264Encoder:
    """Return an encoder of one camera, as the configuration sets it, of the pictures that `feeds` take."""
    return H264Encoder(
        NAME, options(video), bitrate=video.bitrate, keyframe_interval_s=video.keyframe_interval, feeds=feeds
    )


def options(video: config.VideoSocket) -> dict[str, str]:
    """Return libx264's options: no delay, every keyframe an IDR with its SPS and PPS, keyframes only when asked."""
    chosen = {
        "preset": video.preset if video.preset in PRESETS else "veryfast",  # NVENC's p1 to p7 mean nothing here
        "tune": "zerolatency",
        "forced-idr": "1",
        "sc_threshold": "0",
    }
    if video.bitrate:
        chosen |= {"maxrate": str(video.bitrate), "bufsize": str(video.bitrate)}  # a burst lasts a second at most
    else:
        chosen["crf"] = str(video.crf)
    return chosen


def probe() -> None:
    """Find out whether the encoder is there.

    Raises:
        EncodeError: it is not.
    """
    open_context(NAME, 64, 64, Colour(), {}, 0, 1)
