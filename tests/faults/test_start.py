"""How soon a camera that has come is seen."""

import threading
from pathlib import Path

import pytest

from streamd import config
from streamd.clock import SystemClock
from streamd.decode import open_camera
from streamd.frames import Frame
from tests.faults.proxy import Proxy, begin


@pytest.fixture
def proxy(rtsp):
    port, _ = rtsp("/front=pattern:160x128:25")
    made = Proxy(port)
    yield made
    made.close()


@pytest.mark.rtsp
@pytest.mark.timeout(45)  # at the end of their own patience FFmpeg and we make do with what there is
def test_the_first_pictures_are_seen_though_no_more_come(proxy):
    """What the stream is, its description tells: no other frame is needed for it."""
    proxy.tamper = begin(3)
    uri = f"rtsp://127.0.0.1:{proxy.port}/front"
    keys = {"open_timeout": 90, "read_timeout": 90, "transport": "tcp"}
    camera = open_camera("front", config.Camera(uri=uri, model="m", **keys), Path("/"), SystemClock())
    stop = threading.Event()
    for item in camera.frames(stop):
        if isinstance(item, Frame) or item.state == "reconnecting":
            stop.set()
            break
    assert isinstance(item, Frame), item.reason
