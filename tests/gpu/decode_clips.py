"""Clips to try a decoder on, made on the spot by encoders of PyAV, and what FFmpeg makes of them in software."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

ROOT = Path(__file__).resolve().parents[2]
STREET = ROOT / "streamd" / "assets" / "street.mp4"
REAL = ROOT.parent / "shared" / "real"
X264 = {"preset": "veryfast"}

# name: encoder, pixel format, size, options. Sizes NVDEC takes of every codec; none is a whole number of blocks but HD.
ON_GPU = {
    "h264 1080p b-frames": ("libx264", "yuv420p", (1920, 1080), X264 | {"bf": "3"}),
    "h264 322x242": ("libx264", "yuv420p", (322, 242), X264),
    "h264 interlaced": ("libx264", "yuv420p", (720, 576), X264 | {"flags": "+ilme+ildct", "x264-params": "tff=1"}),
    "h264 full range": ("libx264", "yuvj420p", (640, 362), X264),
    "hevc 8 bit": ("libx265", "yuv420p", (642, 362), {"preset": "veryfast", "x265-params": "log-level=none"}),
    "hevc 10 bit": ("libx265", "yuv420p10le", (642, 362), {"preset": "veryfast", "x265-params": "log-level=none"}),
    "av1 8 bit": ("libsvtav1", "yuv420p", (642, 362), {"preset": "10"}),
    "av1 odd width": ("libsvtav1", "yuv420p", (641, 362), {"preset": "10"}),
    "av1 10 bit": ("libsvtav1", "yuv420p10le", (642, 362), {"preset": "10"}),
}
IN_SOFTWARE = {
    "h264 4:4:4": ("libx264", "yuv444p", (320, 240), X264),
    "h264 10 bit 4:2:2": ("libx264", "yuv422p10le", (320, 240), X264),
    "h264 cropped at the left": ("libx264", "yuv420p", (320, 240), X264 | {"x264-params": "crop-rect=8,4,2,2"}),
    "hevc 12 bit": ("libx265", "yuv420p12le", (320, 240), {"preset": "veryfast", "x265-params": "log-level=none"}),
    "hevc 4:4:4": ("libx265", "yuv444p", (320, 240), {"preset": "veryfast", "x265-params": "log-level=none"}),
    "av1 odd height": ("libsvtav1", "yuv420p", (322, 241), {"preset": "10"}),
    "mpeg-4": ("mpeg4", "yuv420p", (320, 240), {}),
}


def made(clips, folder, frames=24):
    for name, (codec, pix_fmt, size, options) in clips.items():
        path = folder / (name.translate(str.maketrans(" :", "__")) + ".mkv")
        yield name, make(path, codec, pix_fmt, size, options, frames)


def real():
    yield "street", STREET
    if REAL.is_dir():
        yield from ((path.stem, path) for path in sorted(REAL.glob("*.mp4")))


def make(path, codec, pix_fmt, size, options, frames=24):
    """Write a clip in which everything moves."""
    width, height = size
    rows, columns = np.ogrid[:height, :width]
    rng = np.random.default_rng(0)
    grain = rng.integers(0, 24, (height, width), np.uint8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25, options=dict(options))
        stream.width, stream.height, stream.pix_fmt = width, height, pix_fmt
        stream.codec_context.thread_count = 4
        for number in range(frames):
            waves = ((rows * 2 + columns + number * 5) % 200).astype(np.uint8)
            rgb = np.dstack([waves + grain, np.roll(waves, number * 3, 1), 255 - waves])
            frame = av.VideoFrame.from_ndarray(rgb, format="rgb24").reformat(format=pix_fmt)
            frame.pts, frame.time_base = number, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def truth(path):
    """Yield the planes that FFmpeg decodes in software, laid out as NVDEC's."""
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            wide = frame.format.name.endswith("10le")
            y, u, v = (plane_of(plane, wide) for plane in frame.planes)
            yield y, np.dstack([u, v])


def plane_of(plane, wide):
    rows = np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)
    if wide:
        return rows.view(np.uint16)[:, : plane.width] << 6
    return rows[:, : plane.width].copy()
