"""Is decoding on this GPU right? `python tests/gpu/decode_check.py` says what it saw; exit 1 if anything is wrong.

Needs CuPy and PyAV, and the repository's root on PYTHONPATH.
"""

import importlib
import sys
import tempfile
import threading
import time
import unittest
from functools import partial, update_wrapper
from itertools import islice, zip_longest
from pathlib import Path

import av
import numpy as np
import structlog

from streamd import config
from streamd.clock import SystemClock
from streamd.decode import open_camera
from streamd.frames import Frame, Picture, Surface
from streamd.gpu.device import open_gpu
from tests.gpu.decode_clips import IN_SOFTWARE, ON_GPU, ROOT, STREET, X264, made, make, real, truth

KILLS, WARM_UP, HELD, GROWTH = 200, 40, 40, 4 << 20
TO_HOST = 2  # cudaMemcpyDeviceToHost


class Card:
    """The GPU, and how its memory is looked at."""

    def __init__(self):
        self.gpu = open_gpu("cuda:0")
        self._cupy = importlib.import_module("cupy")
        self._runtime = self._cupy.cuda.runtime
        self._cupy.zeros(1)  # CuPy makes CUDA's primary context, as in the daemon, and FFmpeg is to live with that

    def fetch(self, address, size, surface):
        """Copy `size` bytes at `address` to the host once `surface` may be read."""
        host = np.empty(size, np.uint8)
        with self.gpu.active():
            stream = self.gpu.stream()
            self.gpu.order([surface], stream)
            self._runtime.memcpyAsync(host.ctypes.data, address, size, TO_HOST, stream.ptr)
            stream.synchronize()
        return host

    def used(self):
        """Bytes of its memory that are taken, by whomever."""
        self._runtime.deviceSynchronize()
        free, total = self._runtime.memGetInfo()
        return total - free

    def by_dlpack(self, plane):
        """Address, pitch and shape of a plane as CuPy takes them from DLPack."""

        class Capsule:
            def __dlpack__(self, **_options):
                return plane.__dlpack__()

            def __dlpack_device__(self):
                return plane.__dlpack_device__()

        array = self._cupy.from_dlpack(Capsule())
        return array.data.ptr, array.strides[0], array.shape


def check_every_frame_is_that_of_software(card, folder):
    for name, path in [*made(ON_GPU, folder), *real()]:
        count = 0
        began = time.perf_counter()
        lines, items = logged(shots(path, card.gpu))
        spent = time.perf_counter() - began
        if lines and "NVDEC does not decode av1" in lines[0]["reason"]:
            yield f"{name}: {lines[0]['reason']}; {len(items)} frames in software"
            continue
        assert not lines, f"{name}: {lines}"
        for frame, wanted in zip_longest(items, truth(path)):
            assert frame is not None and wanted is not None, f"{name}: frame {count} is one too many or too few"
            assert isinstance(frame.picture, Surface), f"{name}: frame {count} is not on the GPU"
            compare(read(card, frame.picture), wanted, f"{name}: frame {count}")
            count += 1
        surface = items[0].picture
        layout = f"{surface.width}x{surface.height}, pitch {surface.pitch}, {surface.sample_bytes} bytes a sample"
        yield f"{name}: {count} frames equal; {layout}; {count / spent:.0f} frames/s with opening"


def check_what_nvdec_has_not_comes_in_software(card, folder):
    for name, path in made(IN_SOFTWARE, folder, frames=12):
        lines, items = logged(shots(path, card.gpu))
        _, wanted = logged(shots(path, None))
        assert len(lines) == 1, f"{name}: {lines}"
        assert len(items) == len(wanted) == 12, f"{name}: {len(items)} frames"
        for frame, picture in zip(items, wanted, strict=True):
            assert isinstance(frame.picture, Picture), f"{name}: a surface"
            assert np.array_equal(frame.picture.y, picture.picture.y), f"{name}: frame {frame.seq} differs"
        yield f"{name}: {lines[0]['reason']}"


def check_a_plane_by_dlpack_is_where_the_surface_says(card, folder):
    for frame in islice(shots(STREET, card.gpu), 3):
        surface = frame.picture
        luma, chroma = surface.owner.planes
        assert card.by_dlpack(luma) == (surface.pixels, surface.pitch, (surface.height, surface.width))
        where = (surface.chroma, surface.chroma_pitch, (surface.height // 2, surface.width // 2, 2))
        assert card.by_dlpack(chroma) == where
    yield "the addresses, pitches and shapes of 3 frames are those of DLPack"


def check_frames_that_are_held_stay_as_they_are(card, folder):
    before = card.used()
    frames = shots(STREET, card.gpu)
    held = [frame.picture for frame in islice(frames, HELD)]
    seen = [read(card, surface) for surface in held]
    rest = sum(1 for _ in frames)
    for number, (surface, was) in enumerate(zip(held, seen, strict=True)):
        compare(read(card, surface), was, f"held frame {number}")
    assert len({surface.pixels for surface in held}) == HELD, "two frames in one place"
    taken = card.used() - before
    yield f"{HELD} frames held while {rest} more were decoded; GPU memory then {taken / 1e6:+.0f} MB"


def check_a_resolution_may_change(card, folder):
    sizes = [(640, 360), (1280, 720), (322, 242)]
    path = folder / "sizes.h264"
    parts = [make(folder / f"{w}.h264", "libx264", "yuv420p", (w, h), X264, frames=20) for w, h in sizes]
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    lines, items = logged(shots(path, card.gpu))
    wanted = list(truth(path))
    assert not lines, lines
    assert len(items) == len(wanted) == 60, f"{len(items)} frames, {len(wanted)} in software"
    for number, (frame, planes) in enumerate(zip(items, wanted, strict=True)):
        compare(read(card, frame.picture), planes, f"frame {number}")
    yield f"60 frames of {len({frame.session for frame in items})} sessions, all on the GPU, equal"


def check_damage_ends_neither_the_stream_nor_another(card, folder):
    source = make(folder / "whole.h264", "libx264", "yuv420p", (640, 360), X264 | {"g": "15"}, frames=120)
    data = bytearray(source.read_bytes())
    rng = np.random.default_rng(7)
    for at in rng.integers(len(data) // 10, len(data), 60):
        data[at : at + 20] = rng.bytes(20)
    path = folder / "damaged.h264"
    path.write_bytes(bytes(data))
    other = zip(shots(source, card.gpu), truth(source), strict=True)
    front = camera(path, card.gpu)
    count = 0
    with structlog.testing.capture_logs() as lines:
        for item in front.frames(threading.Event()):
            if isinstance(item, Frame):
                count += 1
                frame, wanted = next(other)
                compare(read(card, frame.picture), wanted, "the other stream")
    assert count > 20, f"{count} frames"
    told = f"; {lines[0]['reason']}" if lines else ""
    yield f"{count} of 120 frames came, {front.stats.corrupt} found damaged{told}; the other stream is whole"


def check_streams_that_are_killed_leave_nothing(card, folder):
    other, wanted = shots(STREET, card.gpu, loop=True), list(truth(STREET))
    after_warm_up, last = 0, None
    began = time.perf_counter()
    for number in range(KILLS):
        killed = shots(STREET, card.gpu)
        for frame in islice(killed, number % 7):
            last = frame.picture  # outlives its stream, until the next one's
        killed.close()
        compare(read(card, next(other).picture), wanted[number % len(wanted)], f"the other stream, frame {number}")
        if number + 1 == WARM_UP:
            after_warm_up = card.used()
    spent = time.perf_counter() - began
    grown = card.used() - after_warm_up
    read(card, last)
    assert grown <= GROWTH, f"{grown / 1e6:.1f} MB more after {KILLS} than after {WARM_UP}"
    yield f"{KILLS} in {spent:.1f} s, GPU memory {grown / 1e6:+.1f} MB since the {WARM_UP}th; the other stream is whole"


def check_many_streams_at_once(card, folder):
    path = folder / "hd.h264"
    path.write_bytes(make(folder / "part.h264", "libx264", "yuv420p", (1920, 1080), X264, frames=50).read_bytes() * 6)
    for streams in (1, 8, 16):
        counts = [0] * streams

        def count(index, counts=counts):
            for _ in shots(path, card.gpu):
                counts[index] += 1

        threads = [threading.Thread(target=count, args=(index,)) for index in range(streams)]
        began, cpu = time.perf_counter(), time.process_time()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        spent, cpu = time.perf_counter() - began, time.process_time() - cpu
        assert counts == [300] * streams, counts
        yield f"{streams} of 1080p: {sum(counts) / spent:.0f} frames/s, {1e3 * cpu / sum(counts):.2f} ms of CPU a frame"


CHECKS = [value for name, value in list(globals().items()) if name.startswith("check_")]


def camera(path, gpu, **keys):
    return open_camera(
        "check", config.Camera(uri=str(path), model="m", pace="asap", **keys), ROOT, SystemClock(), gpu=gpu
    )


def shots(path, gpu, **keys):
    """Yield the frames of a file."""
    items = camera(path, gpu, **keys).frames(threading.Event())
    try:
        for item in items:
            if isinstance(item, Frame):
                yield item
            else:
                assert item.kind != "offline", item.reason
    finally:
        items.close()


def logged(frames):
    with structlog.testing.capture_logs() as lines:
        items = list(frames)
    return lines, items


def read(card, surface):
    """Y (H, W), and U and V (H/2, W/2 rounded up, 2), as NVDEC has them."""
    dtype = np.uint16 if surface.sample_bytes == 2 else np.uint8
    half = ((surface.height + 1) // 2, (surface.width + 1) // 2)
    luma = card.fetch(surface.pixels, surface.pitch * surface.height, surface)
    chroma = card.fetch(surface.chroma, surface.chroma_pitch * half[0], surface)
    luma = luma.reshape(surface.height, -1).view(dtype)[:, : surface.width]
    return luma, chroma.reshape(half[0], -1).view(dtype)[:, : 2 * half[1]].reshape(*half, 2)


def compare(got, wanted, what):
    for name, a, b in zip(("luma", "chroma"), got, wanted, strict=True):
        assert a.shape == b.shape, f"{what}: {name} {a.shape}, not {b.shape}"
        if not np.array_equal(a, b):
            off = a.astype(int) != b
            first = tuple(int(i) for i in np.argwhere(off)[0])
            raise AssertionError(f"{what}: {name} differs in {off.mean():.2%} of the samples, first at {first}")


def say(line):
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def run(card):
    """Run all checks; return how many failed."""
    failed = 0
    for check in CHECKS:
        began = time.perf_counter()
        say(check.__name__.removeprefix("check_").replace("_", " "))
        result = unittest.TestResult()  # has the others run too, whatever one raises
        # From CPython 3.12 on it asks for the function's name, which a partial has not.
        unittest.FunctionTestCase(update_wrapper(partial(told, check, card), check)).run(result)
        for _, trace in result.failures + result.errors:
            failed += 1
            say(f"    FAILED\n{trace}")
        say(f"    {time.perf_counter() - began:.1f} s")
    return failed


def told(check, card):
    with tempfile.TemporaryDirectory() as folder:
        for line in check(card, Path(folder)):
            say(f"    {line}")


if __name__ == "__main__":
    failures = run(Card())
    say(f"PyAV {av.__version__}: {failures} of {len(CHECKS)} checks failed")
    sys.exit(failures > 0)
