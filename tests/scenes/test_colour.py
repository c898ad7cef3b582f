"""BT.601, limited range."""

import numpy as np
import pytest

from streamd.scenes import to_i420


@pytest.mark.parametrize(
    ("bgr", "yuv"),
    [((255, 255, 255), (235, 128, 128)), ((0, 0, 0), (16, 128, 128)), ((0, 0, 255), (81, 90, 240))],
)
def test_plain_colours_have_their_known_values(bgr, yuv):
    planes = to_i420(np.full((8, 8, 3), bgr, np.uint8))
    assert [int(plane[0, 0]) for plane in planes] == pytest.approx(yuv, abs=1)


@pytest.mark.parametrize(("width", "height"), [(8, 8), (7, 8), (8, 7), (65, 201)])
def test_planes_have_the_size_of_the_format(width, height):
    y, u, v = to_i420(np.zeros((height, width, 3), np.uint8))
    assert y.shape == (height, width)
    assert u.shape == v.shape == ((height + 1) // 2, (width + 1) // 2)
