"""How a picture becomes a frame of libavcodec's: one feed for each place that pictures are in.

4:2:0 has one chroma sample for two rows and columns, and H.264 can crop by no less: a picture of odd size is made one
pixel larger, its last column or row repeated.
"""

from typing import Protocol

import av
import numpy as np

from streamd.frames import U8, Picture, Surface
from streamd.gpu.device import Gpu


class Feed(Protocol):
    """Makes frames of one format. One thread at a time."""

    @property
    def pix_fmt(self) -> str:
        """The format, as FFmpeg calls it."""

    def takes(self, picture: Picture | Surface) -> bool:
        """Tell whether it can make a frame of such a picture."""

    def __call__(self, picture: Picture | Surface) -> av.VideoFrame:
        """Return `picture` as a frame of even size."""


class Planar:
    """Pictures, copied plane by plane."""

    pix_fmt = "yuv420p"

    def takes(self, picture: Picture | Surface) -> bool:
        """Tell whether it is in host memory."""
        return isinstance(picture, Picture)

    def __call__(self, picture: Picture | Surface) -> av.VideoFrame:
        """Return `picture` as a frame of even size."""
        assert isinstance(picture, Picture)
        return _filled(self.pix_fmt, picture, (picture.y, picture.u, picture.v))


class Downloaded:
    """NV12 surfaces, brought down in one piece of pinned memory; chroma stays as it is, for encoders take NV12."""

    pix_fmt = "nv12"

    def __init__(self, gpu: Gpu) -> None:
        self._gpu = gpu
        self._stream = gpu.stream()
        self._down = gpu.event()
        self._staging: U8 = np.zeros(0, np.uint8)

    def takes(self, picture: Picture | Surface) -> bool:
        """Tell whether it is NV12 on a GPU."""
        return isinstance(picture, Surface) and picture.chroma != 0 and picture.sample_bytes == 1

    def __call__(self, picture: Picture | Surface) -> av.VideoFrame:
        """Return `picture` as a frame of even size; it has been read when this returns."""
        assert isinstance(picture, Surface)
        rows, columns = (picture.height + 1) // 2, even(picture.width)
        luma_bytes = picture.height * picture.pitch
        with self._gpu.active():
            if self._staging.nbytes != luma_bytes + rows * picture.chroma_pitch:
                self._staging = self._gpu.pinned((luma_bytes + rows * picture.chroma_pitch,), np.uint8)
            self._gpu.order([picture], self._stream)
            # Only the bytes of the last row that are of the picture: behind them may be another's memory.
            ends = luma_bytes - picture.pitch + picture.width, (rows - 1) * picture.chroma_pitch + columns
            self._fetch(picture, picture.pixels, self._staging[: ends[0]])
            self._fetch(picture, picture.chroma, self._staging[luma_bytes:][: ends[1]])
            self._down.record(self._stream)
            self._down.synchronize()
        luma = self._staging[:luma_bytes].reshape(picture.height, -1)[:, : picture.width]
        return _filled(self.pix_fmt, picture, (luma, self._staging[luma_bytes:].reshape(rows, -1)[:, :columns]))

    def _fetch(self, surface: Surface, address: int, to: U8) -> None:
        self._gpu.download(self._gpu.memory(address, to.nbytes, surface.owner), to, self._stream)


def even(size: int) -> int:
    """Return `size`, or one more."""
    return size + size % 2


def _filled(pix_fmt: str, picture: Picture | Surface, planes: tuple[U8, ...]) -> av.VideoFrame:
    frame = av.VideoFrame(even(picture.width), even(picture.height), pix_fmt)
    for index, (plane, pixels) in enumerate(zip(frame.planes, planes, strict=True)):
        rows = np.frombuffer(plane, np.uint8)  # type: ignore[call-overload] # PyAV's stubs hide the buffer
        columns = frame.width if index == 0 else pixels.shape[1]  # chroma is whole already
        _copy(pixels, rows.reshape(plane.height, plane.line_size)[:, :columns])
    return frame


def _copy(pixels: U8, plane: U8) -> None:
    """Copy a plane into one that may be a row or a column larger, repeating its edge there."""
    height, width = pixels.shape
    plane[:height, :width] = pixels
    if plane.shape[1] > width:
        plane[:height, width:] = pixels[:, -1:]
    if plane.shape[0] > height:
        plane[height:] = plane[height - 1]
