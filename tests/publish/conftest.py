"""A sink bound to ports of its own, and raw subscribers to it."""

import numpy as np
import pytest
import zmq

from streamd import config
from streamd.clock import SystemClock
from streamd.frames import Detections, Frame, Picture
from streamd.publish import ZeroMQSink

LOCAL = "tcp://127.0.0.1:*"


@pytest.fixture
def frame():
    image = Picture(*(np.zeros(shape, np.uint8) for shape in ((48, 64), (24, 32), (24, 32))))
    return Frame("front", 17, 3, 100, 200, image)


@pytest.fixture
def found():
    return Detections(
        np.array([[1.23456, 2, 30, 40], [0, 0, 5, 5]], np.float32),
        np.array([0.912345, 0.5], np.float32),
        np.array([1, 9], np.int32),
    )


@pytest.fixture
def settings():
    return config.Publish(
        detections=config.DetectionsSocket(bind=LOCAL), video=config.VideoSocket(bind=LOCAL, codec="libx264")
    )


@pytest.fixture
def sink(settings):
    sink = ZeroMQSink(settings, SystemClock())
    yield sink
    sink.close()


@pytest.fixture
def context():
    context = zmq.Context()
    yield context
    context.destroy(linger=0)


@pytest.fixture
def subscribe(context):
    def subscriber(endpoint, *topics, **options):
        socket = context.socket(zmq.SUB)
        socket.rcvtimeo = 5_000
        for name, value in options.items():
            setattr(socket, name, value)
        socket.connect(endpoint)
        for topic in topics:
            socket.subscribe(topic)
        return socket

    return subscriber
