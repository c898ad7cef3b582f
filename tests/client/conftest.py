"""H.264 to record, and a publisher to subscribe to."""

from fractions import Fraction

import av
import numpy as np
import pytest
import zmq

from streamd import wire
from streamd.client import Video

START_NS = 1_700_000_000 * 10**9  # 2023-11-14T22:13:20Z
NAME = "front-20231114T221320Z"


def film(times_ns, *, width=64, height=48, session=1, keyframes_every=10, seq=0):
    """Units of video, each picture a little brighter; exact `times_ns`."""
    context = av.CodecContext.create("libx264", "w")
    context.width, context.height, context.pix_fmt = width, height, "yuv420p"
    context.time_base, context.gop_size, context.max_b_frames = Fraction(1, 90_000), 1 << 20, 0
    context.options = {"tune": "zerolatency", "preset": "ultrafast", "forced-idr": "1"}
    units = []
    for i, pts_ns in enumerate(times_ns):
        picture = av.VideoFrame.from_ndarray(np.full((height * 3 // 2, width), 50 + i % 150, np.uint8), "yuv420p")
        picture.pts = i
        picture.pict_type = 1 if i % keyframes_every == 0 else 0
        (packet,) = context.encode(picture)
        header = wire.VideoHeader(
            "front", session, seq + i, pts_ns, START_NS + pts_ns, width, height, bool(packet.is_keyframe), i
        )
        units.append(Video(header, bytes(packet)))
    return units


@pytest.fixture
def make_film():
    return film


class Publisher:
    """What a daemon's sockets do, without a daemon."""

    def __init__(self, bind="tcp://127.0.0.1:*"):
        self.context = zmq.Context()
        self.socket = self.context.socket(zmq.XPUB)
        self.socket.set(zmq.XPUB_VERBOSE, True)
        self.socket.rcvtimeo = 5_000
        self.socket.sndhwm = 0
        self.socket.bind(bind)
        self.endpoint = self.socket.get_string(zmq.LAST_ENDPOINT).rstrip("\0")

    def subscribed(self, count=1):
        """Wait for that many subscriptions."""
        return [self.socket.recv() for _ in range(count)]

    def send(self, message):
        if isinstance(message, Video):
            topic = wire.topic("h264", message.header.camera)
            self.socket.send_multipart([topic, wire.encode(message.header), message.data])
        else:
            kind = "event" if isinstance(message, wire.Event) else "det"
            self.socket.send_multipart([wire.topic(kind, message.camera), wire.encode(message)])

    def close(self):
        self.context.destroy(linger=1_000)


@pytest.fixture
def publisher():
    publisher = Publisher()
    yield publisher
    publisher.close()


@pytest.fixture
def publish_at():
    return Publisher
