"""What decoding is there: FFmpeg's software decoders and NVDEC, each tried on a tiny video. For `streamd doctor`."""

from collections.abc import Iterator
from functools import partial
from typing import cast

import av
import numpy as np
from av.codec import CodecContext
from av.codec.codec import UnknownCodecError
from av.codec.hwaccel import HWAccel
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame

from streamd import bundled
from streamd.checkup import Missing, Probe
from streamd.errors import SourceError
from streamd.gpu import video

# The decoders of FFmpeg that can hand over to NVDEC: for AV1 its own, where libdav1d would be taken otherwise.
CODECS = {"H.264": "h264", "HEVC": "hevc", "AV1": "av1"}
LUMA = (64, 104, 144)  # of the three frames of each video (tests/make_probes.py)
REINSTALL = "pip install --force-reinstall 'av>=18'"


def probes() -> Iterator[Probe]:
    """Yield the looks."""
    yield Probe("PyAV", versions, REINSTALL)
    yield Probe("software decoding", in_software, REINSTALL)
    for label, codec in CODECS.items():
        yield Probe(f"NVDEC {label}", partial(on_gpu, codec), gpu=True)


def versions() -> str:
    """Return the versions of PyAV and FFmpeg."""
    return f"{av.__version__}, FFmpeg {av.ffmpeg_version_info}"


def in_software() -> str:
    """Decode each codec on the CPU; SourceError for one that does not come out right."""
    for label, codec in CODECS.items():
        with av.open(_path(codec)) as container:
            _compare(label, list(container.decode(video=0)))
    return ", ".join(CODECS)


def on_gpu(codec: str) -> str:
    """Decode a codec with NVDEC.

    Raises:
        Missing: the GPU, its driver or its libraries do not have it.
        DeviceError, SourceError: it fails, or gives wrong pictures.
    """
    av.logging.set_level(av.logging.ERROR)
    with av.logging.Capture(local=False) as logged, av.open(_path(codec)) as container:
        try:
            frames = _decode(container, codec)
        except UnknownCodecError as error:
            raise Missing(f"this build of FFmpeg has no decoder called {codec}", mend=REINSTALL) from error
        except av.FFmpegError as error:
            raise video.reason([line.strip() for _, _, line in logged], str(error)) from error
    if any(frame.format.name != "nv12" for frame in frames):  # NVDEC's layout, and no software decoder's
        raise Missing("the GPU does not decode it, the CPU does")
    _compare(codec, frames)
    return "decodes"


def _decode(container: "av.container.InputContainer", codec: str) -> list[VideoFrame]:
    stream = container.streams.video[0]
    context = cast(
        "VideoCodecContext",
        CodecContext.create(codec, "r", hwaccel=HWAccel("cuda", allow_software_fallback=False)),
    )
    context.extradata, context.pix_fmt = stream.codec_context.extradata, stream.codec_context.pix_fmt
    return [frame for packet in container.demux(stream) for frame in context.decode(packet)]


def _path(codec: str) -> str:
    return f"file:{bundled.folder('assets') / 'probe' / codec}.mp4"


def _compare(label: str, frames: list[VideoFrame]) -> None:
    """Hold the brightness of the pictures to what was encoded."""
    seen = [_luma(frame) for frame in frames]
    if len(seen) != len(LUMA) or any(abs(a - b) > 2 for a, b in zip(seen, LUMA, strict=True)):
        raise SourceError(f"{label} comes out wrong: brightness {seen}, not {list(LUMA)}", mend=REINSTALL)


def _luma(frame: VideoFrame) -> int:
    plane = frame.planes[0]
    rows = np.frombuffer(plane, np.uint8)  # type: ignore[call-overload] # PyAV's stubs hide the buffer
    return round(float(rows.reshape(plane.height, plane.line_size)[:, : plane.width].mean()))
