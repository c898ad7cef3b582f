import numpy as np
import pytest

from streamd.frames import Frame, Notice, Picture
from streamd.metrics import Metrics


class Clock:
    def __init__(self):
        self.now_s = 1000.0

    def monotonic_ns(self):
        return int(self.now_s * 1e9)

    def unix_ns(self):
        return int(self.now_s * 1e9)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def metrics(clock):
    return Metrics(clock)


@pytest.fixture
def frame(clock):
    """Make a frame of a camera, captured now."""
    picture = Picture(np.zeros((2, 2), np.uint8), np.zeros((1, 1), np.uint8), np.zeros((1, 1), np.uint8))
    return lambda camera="front", infer=True: Frame(camera, 1, 0, 0, clock.unix_ns(), picture, infer)


@pytest.fixture
def notice():
    return lambda state, reason="": Notice("front", 1, "offline", 0, reason, state)
