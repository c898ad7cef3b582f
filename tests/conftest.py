"""Fixtures that every room shares."""

import os
import shutil
import signal
import subprocess
from pathlib import Path

import av
import numpy as np
import pytest
import structlog

from streamd import bundled
from streamd.infer import library, operators, ort_cuda
from streamd.infer.session import open_session
from tests import made, real_tensorrt
from tests.gpu.host_gpu import HostGpu
from tests.gpu.late_gpu import LateGpu
from tests.infer.standin import GraphGpu, StandIn
from tests.kernels.host_kernels import HostKernels

SERVER = Path(__file__).resolve().parent / "rtsp_server.py"
SYSTEM_PYTHON = "/usr/bin/python3"


def pytest_configure() -> None:
    """Have signals do what they do by default: who runs the tests in the background or by nohup had some ignored."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture(autouse=True)
def log_as_it_was():
    """A command that sets up the log sets it up for the whole process: the next test begins with structlog's own."""
    yield
    structlog.reset_defaults()


@pytest.fixture(autouse=True)
def cores_as_they_were():
    """What decodes as if on a GPU in the thread of a test has it gather with others (streamd/cores.py)."""
    before = os.sched_getaffinity(0)
    yield
    os.sched_setaffinity(0, before)


@pytest.fixture(scope="session")
def real() -> Path:
    """The folder of real video and a real model, which lies beside the checkout and not in it."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "real"
    if not folder.is_dir():
        pytest.skip(f"no real input: {folder} is missing")
    return folder


@pytest.fixture(scope="session")
def tensorrt():
    """The environment in which the real TensorRT 11 builds, without a GPU."""
    try:
        return real_tensorrt.tensorrt()
    except real_tensorrt.Unavailable as reason:
        pytest.skip(str(reason))


@pytest.fixture(scope="session")
def tensorrt_rtx():
    """The environment in which the real TensorRT-RTX builds, without a GPU."""
    try:
        return real_tensorrt.tensorrt_rtx()
    except real_tensorrt.Unavailable as reason:
        pytest.skip(str(reason))


@pytest.fixture(scope="session")
def host_kernels(tmp_path_factory):
    """The kernels, compiled for the host."""
    if shutil.which("g++") is None:
        pytest.skip("no g++ to compile the kernels for the host: apt install g++")
    return HostKernels(tmp_path_factory.mktemp("kernels"), bundled.folder("kernels"))


@pytest.fixture
def host_gpu(host_kernels):
    """A GPU whose memory is the host's."""
    return HostGpu(host_kernels)


@pytest.fixture
def host_as_cuda(host_gpu, monkeypatch):
    """Has `cuda:0` be the host, and ONNX Runtime run there; returns what its sessions were opened with."""
    opened = []

    def session(path, sides, gpu, *, stream=None, profile=""):
        opened.append((sides, stream))
        return open_session(path, threads=1, spin="never", sides=sides, profile=profile)

    monkeypatch.setattr(ort_cuda, "open_gpu", lambda device: host_gpu)
    monkeypatch.setattr(ort_cuda, "_open", session)
    monkeypatch.setattr(ort_cuda.ort, "get_available_providers", lambda: [ort_cuda.PROVIDER])
    monkeypatch.setattr(ort_cuda, "PROVIDER", "CPUExecutionProvider")
    monkeypatch.setattr(operators, "PLAIN", operators.PLAIN | {"ReorderInput", "ReorderOutput"})  # the CPU's layouts
    return opened


@pytest.fixture
def late_gpu(host_kernels):
    """A GPU whose memory is the host's, and that does nothing before somebody waits for it."""
    return LateGpu(host_kernels)


@pytest.fixture
def late_as_cuda(host_as_cuda, late_gpu, monkeypatch):
    """Has `cuda:0` be that GPU, and ONNX Runtime put its runs on streams there."""
    opened = ort_cuda._open

    def session(path, sides, gpu, *, stream=None, profile=""):
        made = opened(path, sides, gpu, stream=stream, profile=profile)
        run = made.run_with_iobinding
        if stream is not None:
            made.run_with_iobinding = lambda *bound: late_gpu.streams[stream].add(lambda: run(*bound))
        return made

    monkeypatch.setattr(ort_cuda, "open_gpu", lambda device: late_gpu)
    monkeypatch.setattr(ort_cuda, "_open", session)
    return late_gpu


@pytest.fixture
def host_as_tensorrt(host_kernels, monkeypatch):
    """Has `cuda:0` be the host, and a TensorRT there that runs ONNX files as engines; returns what makes it."""

    def make(version="tensorrt 10.3.0", *, graphs=True, **options):
        made = StandIn(version, GraphGpu(host_kernels, graphs), **options)
        monkeypatch.setattr("streamd.infer.tensorrt.open_gpu", lambda device: made.gpu)
        monkeypatch.setattr(library, "find", lambda: made.library)
        return made

    return make


@pytest.fixture(scope="session")
def gstreamer():
    """The system's Python with GStreamer's RTSP server."""
    probe = "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import GstRtspServer"
    try:
        found = subprocess.run([SYSTEM_PYTHON, "-c", probe], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        found = False
    if not found:
        pytest.skip(f"{SYSTEM_PYTHON} has no GStreamer RTSP server: apt install gir1.2-gst-rtsp-server-1.0 python3-gi")
    return SYSTEM_PYTHON


@pytest.fixture
def rtsp(gstreamer):
    """Starts an RTSP server of some mounts; returns its port and its process. Ended with the test."""
    started = []

    def serve(*arguments, port=0):
        command = [gstreamer, str(SERVER), "--port", str(port), *arguments]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        started.append(process)
        word, _, number = process.stdout.readline().partition(" ")
        assert word == "ready"
        return int(number), process

    yield serve
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.fixture(scope="session")
def write_clip():
    """Writes a video of grey frames, each a little brighter than the one before; returns its path."""

    def write(path, frames, size=(64, 48)):
        with av.open(str(path), "w") as container:
            stream = container.add_stream("libx264", 25)
            stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
            stream.options = {"g": "5", "preset": "ultrafast"}
            for index in range(frames):
                picture = np.full((size[1], size[0], 3), 5 * index % 250, np.uint8)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
            container.mux(stream.encode(None))
        return path

    return write


@pytest.fixture(scope="session")
def write_model():
    """Writes a model that gives zeros, whatever its inputs are; returns its path."""
    return made.model
