"""Fixtures that every room shares."""

import subprocess
from pathlib import Path

import pytest

SERVER = Path(__file__).resolve().parent / "rtsp_server.py"
SYSTEM_PYTHON = "/usr/bin/python3"


@pytest.fixture(scope="session")
def real() -> Path:
    """The folder of real video and a real model, which lies beside the checkout and not in it."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "real"
    if not folder.is_dir():
        pytest.skip(f"no real input: {folder} is missing")
    return folder


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
