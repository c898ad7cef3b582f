"""What the tests of this room share: a clock and a stop signal they own, clips made on the spot."""

import socket
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import structlog

from streamd import config
from streamd.decode import nvdec, open_camera
from streamd.frames import Frame, Notice
from tests.decode.fake_nvdec import FakeContext, unchanged
from tests.gpu.host_gpu import HostGpu


class FakeClock:
    """Time that moves only when somebody waits."""

    def __init__(self):
        self.now_ns = 1_000_000_000

    def monotonic_ns(self):
        return self.now_ns

    def unix_ns(self):
        return 1_700_000_000_000_000_000 + self.now_ns


class FakeStop:
    """A stop signal whose waits move the clock and are written down; given after `waits` of them."""

    def __init__(self, clock, waits=None):
        self.clock = clock
        self.left = waits
        self.waited = []
        self.given = False

    def is_set(self):
        return self.given

    def set(self):
        self.given = True

    def wait(self, timeout=None):
        self.waited.append(timeout)
        self.clock.now_ns += round(timeout * 1e9)
        if self.left is not None:
            self.left -= 1
            self.given = self.given or self.left <= 0
        return self.given


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def stop(clock):
    return FakeStop(clock)


@pytest.fixture
def fake_stop(clock):
    """Makes a stop signal that is given after so many waits."""
    return lambda waits: FakeStop(clock, waits)


@pytest.fixture
def split():
    """Sorts what a camera yields into frames and notices."""
    return _split


@pytest.fixture
def camera(clock):
    """Makes a camera of a URI and other keys."""

    def make(uri, base=Path("/"), gpu=None, **keys):
        return open_camera("front", config.Camera(uri=str(uri), model="street", **keys), base, clock, gpu=gpu)

    return make


@pytest.fixture
def gpu():
    return HostGpu(None)


@pytest.fixture
def fake(monkeypatch):
    """Puts NVDEC's stand-in where its decoder would be opened."""

    def put(change=unchanged, layout="nv12"):
        monkeypatch.setattr(nvdec, "open_context", lambda video, gpu: FakeContext(video, change, layout))

    return put


@pytest.fixture
def decoded(camera, stop, split):
    """Decodes a file: its frames, the lines of the log, and the camera."""

    def run(path, gpu, **keys):
        front = camera(path, gpu=gpu, pace="asap", **keys)
        with structlog.testing.capture_logs() as lines:
            frames, _ = split(front.frames(stop))
        return frames, lines, front

    return run


@pytest.fixture
def clip(tmp_path):
    """Writes a clip in which frame i is uniformly 16 + i bright, and returns its path."""

    def make(name="clip.mp4", *, frames=10, size=(64, 48), fps=25, codec="libx264", pix_fmt="yuv420p", options=None):
        path = tmp_path / name
        _append(path, frames, size, fps, codec, pix_fmt, options)
        return path

    return make


@pytest.fixture
def listener():
    """A server that accepts, as the kernel does for it, and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def _append(path, count, size, fps, codec, pix_fmt, options=None):
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=fps, options=options or {})
        stream.width, stream.height, stream.pix_fmt = *size, pix_fmt
        for i in range(count):
            gray = np.full((size[1], size[0]), 16 + i, np.uint8)
            frame = av.VideoFrame.from_ndarray(gray, format="gray").reformat(format=pix_fmt)
            frame.pts, frame.time_base = i, Fraction(1, fps)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def _split(items):
    """Sorts what a camera yields into frames and notices."""
    everything = list(items)
    frames = [item for item in everything if isinstance(item, Frame)]
    notices = [item for item in everything if isinstance(item, Notice)]
    assert len(frames) + len(notices) == len(everything)
    return frames, notices
