"""The film on a GPU: held to its references, then timed. `python tests/gpu/film_check.py [cuda:0 | host] [frames]`.

Every frame has random samples, an odd or even size, and boxes upright or turned; each is drawn, brought down, and made
a frame for NVENC in the GPU's own memory, which FFmpeg copies back for the comparison. NVENC is tried, and said to be
there or not. With `host` the kernels run as g++ compiled them: then the times say nothing.
"""

import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from streamd import bundled
from streamd.annotate import DeviceAnnotate, HostAnnotate
from streamd.annotate.marks import Marks
from streamd.annotate.paint import eight_bit, paint
from streamd.config import VideoSocket
from streamd.encode import choose, nvenc
from streamd.encode.feed import Downloaded
from streamd.encode.nvenc import OnDevice
from streamd.errors import StreamdError
from streamd.frames import Colour, Detections, Frame, Picture, Surface
from streamd.gpu.device import open_gpu
from tests.gpu.host_gpu import HostGpu
from tests.kernels.host_kernels import HostKernels

LABELS = ("person", "car", "bicycle", "Fußgänger")
OBJECTS = 30
WIDTH, HEIGHT = 1920, 1080


def main(where="cuda:0", frames="200") -> None:
    with tempfile.TemporaryDirectory() as build:
        gpu = open_gpu(where) if where != "host" else HostGpu(HostKernels(Path(build), bundled.folder("kernels")))
        say("exact frames", exact(gpu, int(frames)))
        say("sums of frames for NVENC right", on_device(gpu))
        say("NVENC", tried(gpu))
        timed(gpu, 5 if where == "host" else 300)


def say(name, value) -> None:
    sys.stdout.write(f"{name:44} {value if isinstance(value, str | int) else format(value, '.4g')}\n")


class Uploaded:
    """Random planes, and the surface that they are on the GPU."""

    def __init__(self, gpu, rng, width, height, dtype, margin):
        self.luma = rng.integers(0, np.iinfo(dtype).max + 1, (height, width), dtype)
        self.chroma = rng.integers(0, np.iinfo(dtype).max + 1, ((height + 1) // 2, (width + 1) // 2, 2), dtype)
        rows = [np.pad(self.luma, ((0, 0), (0, margin)))]
        rows.append(np.pad(self.chroma.reshape(len(self.chroma), -1), ((0, 0), (0, margin))))
        stream, self.memory = gpu.stream(), []
        with gpu.active():
            for plane in rows:
                pinned = gpu.pinned(plane.shape, dtype)
                pinned[:] = plane
                self.memory.append(gpu.zeros(plane.shape, dtype))
                gpu.upload(pinned, self.memory[-1], stream)
                stream.synchronize()
            ready = gpu.event()
            ready.record(stream)
        places = [(gpu.address(memory), plane.strides[0]) for memory, plane in zip(self.memory, rows, strict=True)]
        size = np.dtype(dtype).itemsize
        self.surface = Surface(*places[0], width, height, *places[1], size, Colour(), self.memory, ready)

    def planes(self):
        """Copies, in 8 bits."""
        return tuple(plane.copy() if plane.itemsize == 1 else eight_bit(plane) for plane in (self.luma, self.chroma))


def boxes(rng, width, height, count, turned):
    corner = rng.uniform(-0.2, 1.0, (count, 2)) * (width, height)
    sides = rng.uniform(0, 0.5, (count, 2)) * (width, height)
    return Detections(
        np.hstack([corner, corner + sides]).astype(np.float32),
        np.sort(rng.uniform(0.2, 1, count).astype(np.float32))[::-1],
        rng.integers(0, len(LABELS) + 2, count).astype(np.int32),
        rng.uniform(-4, 4, count).astype(np.float32) if turned else None,
    )


def exact(gpu, frames):
    """Draw random frames, and hold each byte to the reference's; return how many were drawn."""
    rng = np.random.default_rng(6)
    draw, marks_of, feed = DeviceAnnotate(gpu, LABELS), Marks(LABELS), Downloaded(gpu)
    for case in range(frames):
        width, height = (int(rng.integers(1, most)) for most in ((700, 500) if case % 10 == 0 else (150, 120)))
        dtype = np.uint16 if case % 3 == 0 else np.uint8
        made = Uploaded(gpu, rng, width, height, dtype, int(rng.choice([0, 1, 16])) * 2)
        found = boxes(rng, width, height, int(rng.integers(0, 12)), case % 2 == 0)
        luma, chroma = made.planes()
        paint(luma, chroma, marks_of(made.surface, found), marks_of.atlas.coverage)
        seen = feed(draw(made.surface, found))
        same(seen, luma, chroma, f"case {case}, {width}x{height}, {np.dtype(dtype)}")
    draw.close()
    return frames


def on_device(gpu):
    """Make frames for NVENC, and hold what FFmpeg copies back from them to what was drawn; return how many."""
    rng = np.random.default_rng(7)
    draw, marks_of, feed = DeviceAnnotate(gpu, LABELS), Marks(LABELS), OnDevice(gpu)
    for width, height in [(64, 48), (1920, 1080), (642, 362), (1920, 1080)]:
        made = Uploaded(gpu, rng, width, height, np.uint8, 0)
        found = boxes(rng, width, height, 10, turned=False)
        luma, chroma = made.planes()
        paint(luma, chroma, marks_of(made.surface, found), marks_of.atlas.coverage)
        drawn = draw(made.surface, found)
        assert feed.takes(drawn), drawn
        frame = feed(drawn)
        say("frame for NVENC", f"{width}x{height} {frame.format.name}")
        same(frame.reformat(format="nv12"), luma, chroma, f"for NVENC, {width}x{height}")
    draw.close()
    return 4


def same(frame, luma, chroma, case):
    """Hold an NV12 frame, which is even, to planes."""
    planes = [np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size) for plane in frame.planes]
    height, width = luma.shape
    np.testing.assert_array_equal(planes[0][:height, :width], luma, err_msg=case)
    flat = chroma.reshape(len(chroma), -1)
    np.testing.assert_array_equal(planes[1][:, : flat.shape[1]], flat, err_msg=case)


def tried(gpu):
    try:
        nvenc.probe()
    except StreamdError as error:
        return f"not there: {error.what}"
    return "takes surfaces" if nvenc.takes_surfaces(gpu) else "does not take surfaces; it takes host pictures"


def timed(gpu, repeats) -> None:
    """Time one 1080p frame with 30 labelled objects, a median: of the thread, and of the GPU where it says."""
    rng = np.random.default_rng(8)
    made, found = Uploaded(gpu, rng, WIDTH, HEIGHT, np.uint8, 0), boxes(rng, WIDTH, HEIGHT, OBJECTS, turned=False)
    draw, marks_of, feed = DeviceAnnotate(gpu, LABELS), Marks(LABELS), Downloaded(gpu)
    encoder = choose(VideoSocket(codec="libx264", preset="ultrafast"), gpu)()
    seq = iter(range(1 << 20))

    def encoded():
        at = next(seq)
        list(encoder(Frame("", 1, at, at * 33_000_000, 0, made.surface), drawn, keyframe=False))

    def ready(detections):
        draw(made.surface, detections).ready.synchronize()

    drawn = draw(made.surface, found)
    host = HostAnnotate(LABELS)
    planes = made.planes()
    picture = Picture(planes[0], planes[1][..., 0].copy(), planes[1][..., 1].copy())
    say("marks", len(marks_of(made.surface, found)))
    for name, work in (
        ("marks of a frame, ms", lambda: marks_of(made.surface, found)),
        ("drawn, until its surface is read, ms", lambda: draw(made.surface, found)),
        ("drawn, until it is ready, ms", lambda: ready(found)),
        ("  of that with nothing found, ms", lambda: ready(Detections.none())),
        ("brought down into a frame, ms", lambda: feed(drawn)),
        ("brought down and encoded (ultrafast, noise), ms", encoded),
        ("drawn by the host, ms", lambda: host(picture, found)),
    ):
        say(name, 1e3 * median(work, repeats))
    say("GPU: copy and draw, us", 1e6 * of_gpu(gpu, draw, made.surface, found, repeats))
    say("GPU: copy alone, us", 1e6 * of_gpu(gpu, draw, made.surface, Detections.none(), repeats))
    say("canvases", len(draw._canvases))


def median(work, repeats):
    times = []
    for _ in range(repeats + 3):
        begun = time.perf_counter()
        work()
        times.append(time.perf_counter() - begun)
    return float(np.median(times[3:]))


def of_gpu(gpu, draw, surface, found, repeats):
    """Time between events on the annotator's stream: upload of the table, copy, drawing, and the gaps between them."""
    begin, end, times = gpu.event(), gpu.event(), []
    for _ in range(repeats + 3):
        with gpu.active():
            begin.record(draw._stream)
            draw(surface, found)
            end.record(draw._stream)
            end.synchronize()
            times.append(gpu.elapsed_s(begin, end))
    return float(np.median(times[3:]))


if __name__ == "__main__":
    main(*sys.argv[1:])
