"""Whether OpenCV is there and does a sum. For `streamd doctor`."""

from collections.abc import Iterator

import cv2
import numpy as np

from streamd.checkup import Probe
from streamd.errors import DataError


def probes() -> Iterator[Probe]:
    """Yield the look."""
    yield Probe("OpenCV", resized, "pip install --force-reinstall 'opencv-python-headless>=4.10'")


def resized() -> str:
    """Return its version, once it has halved a picture; DataError where it did so wrongly."""
    picture = np.repeat(np.repeat(np.arange(16, dtype=np.uint8).reshape(4, 4), 2, 0), 2, 1)
    if not np.array_equal(cv2.resize(picture, (4, 4), interpolation=cv2.INTER_LINEAR), picture[::2, ::2]):
        raise DataError(f"{cv2.__version__} resizes wrongly")
    return str(cv2.__version__)
