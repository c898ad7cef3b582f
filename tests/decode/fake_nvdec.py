"""NVDEC without a GPU: FFmpeg decodes in software, and its frames are laid out in host memory as NVDEC's on a GPU."""

import ctypes
from types import SimpleNamespace

import av
import numpy as np


def unchanged(_number, frames):
    return frames


class DeviceFrame:
    """What PyAV gives of a frame on a GPU: no pixels, only where they lie."""

    def __init__(self, frame, layout="nv12"):
        self._frame = frame
        self.sw_format = SimpleNamespace(name=layout)
        self.format = SimpleNamespace(name="cuda", is_rgb=False)
        packed = frame.reformat(format="p010le" if layout == "p010le" else "nv12")
        pitch = -(-packed.planes[0].line_size // 512) * 512
        self.memory = [np.full((plane.height + 9, pitch), 0xEE, np.uint8) for plane in packed.planes]
        for memory, plane in zip(self.memory, packed.planes, strict=True):
            rows = np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)
            memory[: plane.height, : plane.line_size] = rows
        self.planes = [SimpleNamespace(buffer_ptr=rows.ctypes.data, line_size=pitch) for rows in self.memory]

    def __getattr__(self, name):
        return getattr(self._frame, name)


class FakeContext:
    """A decoder of NVDEC's, whose answers `change` may alter: packet number and frames in, frames out."""

    def __init__(self, video, change, layout):
        self._change = change
        self._layout = layout
        self._number = 0
        codec = "libdav1d" if video.codec_context.name == "libdav1d" else video.codec_context.codec.canonical_name
        self._context = av.CodecContext.create(codec, "r")
        self._context.extradata = video.codec_context.extradata
        self._context.reorder_depth = video.codec_context.reorder_depth
        self._context.copy_opaque = True
        self._context.thread_count = 1

    @property
    def width(self):
        return self._context.width

    @property
    def height(self):
        return self._context.height

    def decode(self, packet):
        frames = [DeviceFrame(frame, self._layout) for frame in self._context.decode(packet)]
        self._number += 1
        return self._change(self._number - 1, frames)


def read(surface):
    """The planes of a surface in host memory: Y (H, W), and U and V beside one another ((H+1)//2, (W+1)//2, 2)."""
    dtype = np.uint16 if surface.sample_bytes == 2 else np.uint8
    width, height = surface.width, surface.height
    rows = [
        _rows(surface.pixels, surface.pitch, height, dtype)[:, :width],
        _rows(surface.chroma, surface.chroma_pitch, (height + 1) // 2, dtype)[:, : 2 * ((width + 1) // 2)],
    ]
    return rows[0].copy(), rows[1].reshape(rows[1].shape[0], -1, 2).copy()


def _rows(address, pitch, height, dtype):
    memory = (ctypes.c_uint8 * (pitch * height)).from_address(address)
    return np.frombuffer(memory, np.uint8).reshape(height, pitch).view(dtype)
