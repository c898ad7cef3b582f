import cv2
import numpy as np
import pytest

from streamd.errors import DataError
from streamd.preprocess import probe


def test_opencv_tells_its_version():
    assert probe.resized() == cv2.__version__


def test_an_opencv_that_resizes_wrongly_is_broken(monkeypatch):
    monkeypatch.setattr(cv2, "resize", lambda picture, size, interpolation: np.zeros(size, np.uint8))
    with pytest.raises(DataError, match="resizes wrongly"):
        probe.resized()
