"""How fast the kernels are on this GPU: `python tests/gpu/measure.py`. Prints a table; each time is a median.

Times are of CUDA graphs of many launches over inputs that rotate past the L2 cache, so neither Python nor the cache
flatters them. Bytes are those that must move: each 32-byte sector that holds a needed sample, and the whole output.
How others do the same sum (rivals.py) is in the same run. Needs the repository's root on PYTHONPATH.
"""

import importlib.util
import json
import sys
from pathlib import Path

import cupy
import numpy as np

from streamd.frames import Colour, Picture, Surface
from streamd.gpu import detect, ops
from streamd.gpu.draw import draw_nv12
from streamd.gpu.kernels import DeviceKernels
from streamd.gpu.layouts import CANVAS, GEOMETRY, MARK, geometry_row
from streamd.gpu.surface import surface_table
from streamd.letterbox import Letterbox
from streamd.preprocess.reference import colour_rows, normalization, preprocess
from tests.gpu import rivals
from tests.gpu.rivals import BATCH, HEIGHT, SETS, SPEC, WIDTH

OTHERS = ((1280, 720), (2560, 1440), (3840, 2160))  # sizes whose luma stands between samples


def main() -> None:
    stream = cupy.cuda.Stream(non_blocking=True)
    kernels = DeviceKernels()
    report = {"gpu": cupy.cuda.runtime.getDeviceProperties(0)["name"].decode()}
    copied = copy_bandwidth(stream)
    report["copy_gb_s"] = copied / 1e9
    letterboxed(report, kernels, stream, copied)
    detected(report, kernels, stream, copied)
    drawn(report, kernels, stream)
    for name, value in report.items():
        sys.stdout.write(f"{name:28} {value if isinstance(value, str) else format(value, '.4g')}\n")
    if len(sys.argv) > 1:
        Path(sys.argv[1]).write_text(json.dumps(report, indent=1))


def seconds(stream, launches, repeats=30):
    """Time of one of `launches`, which are put into one graph; the median of many replays."""
    cupy.cuda.Stream.null.synchronize()  # the inputs are made there, and `stream` does not wait for it
    with stream:
        for launch in launches:
            launch()
        stream.synchronize()
        stream.begin_capture()
        for launch in launches:
            launch()
        graph = stream.end_capture()
    times = []
    for _ in range(repeats + 3):
        begin, end = cupy.cuda.Event(), cupy.cuda.Event()
        begin.record(stream)
        graph.launch(stream)
        end.record(stream)
        end.synchronize()
        times.append(cupy.cuda.get_elapsed_time(begin, end) / 1e3 / len(launches))
    return float(np.median(times[3:]))


def copy_bandwidth(stream):
    """Bytes read and written a second by a device-to-device copy of 4 GiB; the clocks are up by then.

    Not in a graph: there a copy goes another way, and moves two thirds of that.
    """
    source = cupy.arange(1 << 30, dtype=cupy.uint32)
    target = cupy.empty_like(source)
    times = []
    for _ in range(200):
        begin, end = cupy.cuda.Event(), cupy.cuda.Event()
        begin.record(stream)
        target.data.copy_from_device_async(source.data, source.nbytes, stream)
        end.record(stream)
        end.synchronize()
        times.append(cupy.cuda.get_elapsed_time(begin, end) / 1e3)
    return 2 * source.nbytes / float(np.median(times[-30:]))


def frame_sets(width, height, place, weights):
    """Batches of noise, which together are larger than the cache: planes, their table, and an output."""
    rng = cupy.random.default_rng(0)
    sets = []
    for _ in range(SETS):
        luma = rng.integers(0, 256, (BATCH, height, width), dtype=cupy.uint8)
        chroma = rng.integers(0, 256, (BATCH, height // 2, width), dtype=cupy.uint8)
        surfaces = [Surface(luma[i].data.ptr, width, width, height, chroma[i].data.ptr, width) for i in range(BATCH)]
        table = surface_table(surfaces, [place] * BATCH, [weights] * BATCH)
        out = cupy.empty((BATCH, 3, SPEC.height, SPEC.width), cupy.float16)
        sets.append((luma, chroma, cupy.asarray(table), out))
    return sets


def letterboxed(report, kernels, stream, copied):
    place = Letterbox.place(WIDTH, HEIGHT, SPEC.width, SPEC.height)
    scaling = ops.Scaling.of(SPEC.pad, *(values.tolist() for values in normalization(SPEC)))
    weights = colour_rows(SPEC, Colour("bt709"))
    for width, height in OTHERS:
        other = Letterbox.place(width, height, SPEC.width, SPEC.height)
        sets = frame_sets(width, height, other, weights)
        launches = [lambda s=s: ops.nv12_letterbox(kernels, s[2], BATCH, s[3], scaling, stream) for s in sets]
        other_s = seconds(stream, launches * 3)
        report[f"letterbox_{height}_us"] = other_s * 1e6
        report[f"letterbox_{height}_of_copy"] = bytes_needed(other) * BATCH / other_s / copied
    sets = frame_sets(WIDTH, HEIGHT, place, weights)
    launches = [lambda s=s: ops.nv12_letterbox(kernels, s[2], BATCH, s[3], scaling, stream) for s in sets]
    fast = seconds(stream, launches * 3)
    needed = bytes_needed(place) * BATCH
    report["letterbox_us"] = fast * 1e6
    report["letterbox_MB"] = needed / 1e6
    report["letterbox_whole_frame_MB"] = BATCH * (WIDTH * HEIGHT * 3 // 2 + 3 * SPEC.width * SPEC.height * 2) / 1e6
    report["letterbox_of_copy"] = needed / fast / copied
    report["letterbox_frames_s"] = BATCH / fast

    picture = Picture(*(cupy.asnumpy(part) for part in (sets[0][0][0], sets[0][1][0, :, ::2], sets[0][1][0, :, 1::2])))
    picture = Picture(*map(np.ascontiguousarray, (picture.y, picture.u, picture.v)), Colour("bt709"))
    want, _ = preprocess(picture, SPEC)
    got = cupy.asnumpy(sets[0][3][0])
    report["letterbox_worst"] = float(np.abs(got.astype(float) - want.astype(float)).max())

    compared(report, stream, sets, weights, place)
    report["host_frames_s"] = rivals.host_frames(picture)
    report["ours_over_host"] = report["letterbox_frames_s"] / report["host_frames_s"]


def compared(report, stream, sets, weights, place):
    """What others need for the same sum; torchvision where it is there, from NV12 and from RGB that it is given."""
    times = {"naive": seconds(stream, rivals.naive(sets, weights, place))}
    times["torch"] = rivals.torch_seconds(sets, weights, place)
    if importlib.util.find_spec("torchvision"):
        times["torchvision"] = rivals.torchvision_seconds(sets, weights, place)
        times["torchvision_from_rgb"] = rivals.torchvision_seconds(sets, weights, place, from_rgb=True)
    else:
        report["torchvision_us"] = "not installed"
    for name, took in times.items():
        report[f"{name}_us"] = took * 1e6
        report[f"{name}_over_ours"] = report[f"{name}_us"] / report["letterbox_us"]


def bytes_needed(place):
    """Sectors of input that hold a sample with weight, and the output."""

    def samples(size, new_size):
        at = (np.arange(new_size) + 0.5) * size / new_size - 0.5
        low = np.floor(at)
        taps = np.concatenate((low, (low + 1)[at > low]))
        return np.unique(np.clip(taps, 0, size - 1)).astype(int)

    w, h, new_w, new_h = place.src_width, place.src_height, place.new_width, place.new_height
    luma = len(samples(h, new_h)) * len(np.unique(samples(w, new_w) // 32))
    pairs = len(samples(h // 2, new_h)) * len(np.unique(samples(w // 2, new_w) // 16))
    return 32 * (luma + pairs) + 3 * SPEC.width * SPEC.height * 2


def detected(report, kernels, stream, copied):
    """Decode and suppression of YOLOv8n's output at 640 x 640, a batch of 16, about 100 candidates an image."""
    rng = np.random.default_rng(0)
    classes, rows = 80, 8400
    values = rng.random((BATCH, 4 + classes, rows), np.float32) * 0.2
    values[:, :4] = rng.random((BATCH, 4, rows)) * np.array([640, 640, 200, 200])[:, None]
    for image in values:
        image[4 + rng.integers(0, 5, 100), rng.choice(rows, 100, replace=False)] = rng.random(100) * 0.7 + 0.3
    place = Letterbox.place(WIDTH, HEIGHT, 640, 640)
    table = np.zeros(BATCH, GEOMETRY)
    table[:] = geometry_row(place)
    geometries, wanted = cupy.asarray(table.view(np.uint8)), detect.Wanted(0.25)
    sets = [cupy.asarray(values.astype(np.float16)) for _ in range(SETS)]
    works = [detect.Workspace.make(cupy, BATCH, rows, 300) for _ in sets]
    decode = [
        lambda v=v, w=w: detect.decode_yolov8(kernels, v, BATCH, wanted, w, stream)
        for v, w in zip(sets, works, strict=True)
    ]
    both = [
        lambda d=d, w=w: (d(), detect.nms(kernels, w, BATCH, geometries, 0.45, stream))
        for d, w in zip(decode, works, strict=True)
    ]
    time_s = seconds(stream, both)

    def alone(d, w):
        d()
        w.counts.data.memset_async(0, w.counts.nbytes, stream)

    decode_s = seconds(stream, [lambda d=d, w=w: alone(d, w) for d, w in zip(decode, works, strict=True)])
    report["decode_us"] = decode_s * 1e6
    report["decode_of_copy"] = sets[0].nbytes / decode_s / copied
    report["decode_nms_us"] = time_s * 1e6


def drawn(report, kernels, stream):
    """A 1080p picture with 50 objects, each four lines, a ground and twelve glyphs."""
    rng = np.random.default_rng(0)
    luma, chroma = cupy.zeros((HEIGHT, WIDTH), cupy.uint8), cupy.zeros((HEIGHT // 2, WIDTH), cupy.uint8)
    marks = np.zeros(50 * 17, MARK)
    for i in range(50):
        x, y, w, h = (2 * int(rng.integers(1, most)) for most in (750, 440, 150, 90))
        rects = [(x, y, x + w, y + 4), (x, y + h, x + w, y + h + 4), (x, y, x + 4, y + h), (x + w, y, x + w + 4, y + h)]
        rects += [(x, y + 4, x + 160, y + 32)] + [(x + 4 + 12 * k, y + 8, x + 16 + 12 * k, y + 28) for k in range(12)]
        for k, rect in enumerate(rects):
            marks[17 * i + k] = (*rect, 0 if k > 4 else -1, 12, 200, 90, 30, 255 if k != 4 else 160, *[0] * 7)
    canvas = np.zeros(1, CANVAS)
    canvas[0] = (luma.data.ptr, chroma.data.ptr, WIDTH, WIDTH, WIDTH, HEIGHT, 0, len(marks))
    table, listed = cupy.asarray(canvas.view(np.uint8)), cupy.asarray(marks.view(np.uint8))
    atlas = cupy.full(12 * 20, 128, cupy.uint8)
    launch = lambda: draw_nv12(kernels, table, 1, (WIDTH, HEIGHT), listed, atlas, stream)  # noqa: E731
    report["draw_us"] = seconds(stream, [launch] * 20) * 1e6


if __name__ == "__main__":
    main()
