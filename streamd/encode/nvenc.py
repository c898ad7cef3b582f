"""h264_nvenc: the encoder of NVIDIA GPUs that have one (A100, H100 and H200 do not), fed from host memory."""

from streamd import config
from streamd.encode.h264 import H264Encoder, open_context
from streamd.frames import Colour

NAME = "h264_nvenc"
PRESETS = ("p1", "p2", "p3", "p4", "p5", "p6", "p7")


def encoder(video: config.VideoSocket) -> H264Encoder:
    """Return an encoder of one camera, as the configuration sets it."""
    return H264Encoder(NAME, options(video), bitrate=video.bitrate, keyframe_interval_s=video.keyframe_interval)


def options(video: config.VideoSocket) -> dict[str, str]:
    """Return NVENC's options: no delay, every keyframe an IDR with its SPS and PPS, keyframes only when asked."""
    chosen = {
        "preset": video.preset if video.preset in PRESETS else "p4",  # x264's preset names mean nothing here
        "tune": "ull",
        "zerolatency": "1",
        "delay": "0",
        "forced-idr": "1",
        "no-scenecut": "1",
    }
    return chosen | ({"rc": "cbr"} if video.bitrate else {"rc": "vbr", "cq": str(video.crf)})


def probe() -> None:
    """Find out whether the GPU and its driver have the encoder.

    Raises:
        EncodeError: they have not.
    """
    open_context(NAME, 256, 256, Colour(), {}, 0, 1)
