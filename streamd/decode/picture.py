"""From FFmpeg's decoded frames to pictures: views of planes that are 8-bit 4:2:0 already, else one conversion.

A frame that NVDEC left on the GPU becomes a surface, in place: nothing is copied, and the surface keeps the frame.
"""

from typing import TYPE_CHECKING, cast

import av
import numpy as np
from av.video.plane import VideoPlane
from av.video.reformatter import VideoReformatter

from streamd.frames import U8, Colour, Matrix, Picture, Surface
from streamd.gpu.device import Gpu

if TYPE_CHECKING:
    from av.video.format import VideoFormat

SAMPLE_BYTES = {"nv12": 1, "p010le": 2}  # what a surface may hold

_FULL = 2  # AVCOL_RANGE_JPEG
_LIMITED = 1  # AVCOL_RANGE_MPEG
_RGB = 0  # AVCOL_SPC_RGB
# H.273 MatrixCoefficients, as AVColorSpace numbers them. BT.2020 (9, 10) lies nearer to BT.709 than to BT.601.
_MATRICES: dict[int, Matrix] = {1: "bt709", 4: "bt601", 5: "bt601", 6: "bt601", 7: "bt709", 9: "bt709", 10: "bt709"}
_SWS = {"bt601": 5, "bt709": 1}  # SWS_CS_ITU601, SWS_CS_ITU709


class ToPicture:
    """Turns the frames of one stream into pictures; keeps libswscale's tables between frames."""

    def __init__(self, gpu: Gpu | None = None) -> None:
        """`gpu` is where frames may lie that no longer are on the host."""
        self._gpu = gpu
        self._reformatter = VideoReformatter()

    def __call__(self, frame: av.VideoFrame) -> Picture | Surface:
        """Return `frame` as 8-bit 4:2:0; one on the GPU as NV12 or P010.

        yuv420p and yuvj420p are read-only views that keep the frame's memory alive; so is the Y plane of 8-bit gray.
        """
        colour = colour_of(frame)
        name = frame.format.name
        if name == "cuda" and self._gpu is not None:
            return _surface(frame, colour, self._gpu)
        if name.startswith("gray"):
            return _gray(frame if name == "gray" else self._converted(frame, "gray", colour), colour)
        if name not in ("yuv420p", "yuvj420p"):
            frame = self._converted(frame, "yuv420p", colour)
        y, u, v = (_view(plane) for plane in frame.planes)
        return Picture(y, u, v, colour)

    def _converted(self, frame: av.VideoFrame, name: str, colour: Colour) -> av.VideoFrame:
        matrix, spread = _SWS[colour.matrix], _FULL if colour.full_range else _LIMITED
        rgb = frame.format.is_rgb or frame.format.name == "pal8"
        return self._reformatter.reformat(
            frame,
            format=name,
            src_colorspace=None if rgb else matrix,
            dst_colorspace=matrix,
            src_color_range=_FULL if rgb else spread,
            dst_color_range=spread,
            threads=1,  # one core a camera; swscale would take all
        )


def colour_of(frame: av.VideoFrame) -> Colour:
    """Return how the picture made of `frame` encodes colour.

    Tags win. Without a matrix tag: BT.709 from 1280 columns or more than 576 rows on, else BT.601, which is how
    players guess (mpv and libplacebo, `pl_color_system_guess_ycbcr`). Without a range tag: limited, but full for
    yuvj formats. RGB becomes BT.601, full range, so that nothing is rounded away twice.
    """
    name = frame.format.name
    if frame.format.is_rgb or name == "pal8" or frame.colorspace == _RGB:
        return Colour("bt601", full_range=True)
    hd = frame.width >= 1280 or frame.height > 576
    guess: Matrix = "bt709" if hd else "bt601"
    matrix = _MATRICES.get(frame.colorspace, guess)
    return Colour(matrix, full_range=name.startswith("yuvj") or frame.color_range == _FULL)


def _view(plane: VideoPlane) -> U8:
    data: U8 = np.frombuffer(plane, np.uint8)  # type: ignore[call-overload] # PyAV's stubs omit __buffer__
    rows = data.reshape(plane.height, abs(plane.line_size))
    if plane.line_size < 0:  # stored bottom row first
        rows = rows[::-1]
    rows = rows[:, : plane.width]
    rows.flags.writeable = False
    return rows


def _gray(frame: av.VideoFrame, colour: Colour) -> Picture:
    y = _view(frame.planes[0])
    neutral = np.full(((frame.height + 1) // 2, (frame.width + 1) // 2), 128, np.uint8)
    neutral.flags.writeable = False
    return Picture(y, neutral, neutral, colour)


def _surface(frame: av.VideoFrame, colour: Colour, gpu: Gpu) -> Surface:
    # The plane's address and pitch are what its DLPack capsule holds, without a capsule to unwrap and keep; and DLPack
    # cuts odd sides of the chroma plane, which a surface counts whole.
    luma, chroma = frame.planes
    return Surface(
        luma.buffer_ptr,
        luma.line_size,
        frame.width,
        frame.height,
        chroma.buffer_ptr,
        chroma.line_size,
        SAMPLE_BYTES[cast("VideoFormat", frame.sw_format).name],
        colour,
        owner=frame,
        ready=gpu.decoded,
    )
