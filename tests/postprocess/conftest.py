"""What the tests of heads share: manifests, geometries, and finding a box again."""

import numpy as np
import pytest

from streamd.letterbox import Letterbox
from streamd.manifest import Input, Manifest

WIDE = Letterbox.place(1280, 720, 640, 640)
TALL = Letterbox.place(480, 640, 640, 640, anchor="top-left")


@pytest.fixture
def geometries():
    """Two sources of different size, scale and corner."""
    return [WIDE, TALL]


@pytest.fixture
def manifest():
    """Make a manifest of 3 classes at 640 x 640."""

    def make(head, size=640, **more):
        return Manifest(head, ("person", "car", "dog"), Input("images", size, size), **more)

    return make


@pytest.fixture
def centred():
    """Turn corners in source pixels into centre and size in input pixels."""

    def make(geometry, box):
        x1, y1, x2, y2 = geometry.to_input(np.array([box], np.float32))[0]
        return np.array([(x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1], np.float32)

    return make


@pytest.fixture
def found():
    """Compare detections with (class, score, box) triples, best first."""

    def check(detections, *expected):
        assert detections.class_ids.tolist() == [class_id for class_id, _, _ in expected]
        np.testing.assert_allclose(detections.scores, [score for _, score, _ in expected], atol=1e-3)
        boxes = np.array([box for _, _, box in expected], np.float32).reshape(-1, 4)
        np.testing.assert_allclose(detections.boxes, boxes, atol=0.5)
        assert (detections.boxes.dtype, detections.scores.dtype) == (np.float32, np.float32)
        assert detections.class_ids.dtype == np.int32

    return check
