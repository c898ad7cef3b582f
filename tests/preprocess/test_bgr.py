import numpy as np
import pytest

from streamd.manifest import Input
from streamd.preprocess.bgr import normalize, preprocess

PIXELS = np.array([[[1, 2, 3], [11, 12, 13]]], np.uint8)  # one row: B, G, R


@pytest.mark.parametrize(("colour", "first"), [("rgb", 3), ("bgr", 1)])
def test_channels_stand_in_the_order_of_the_manifest(colour, first):
    spec = Input("i", 2, 1, scale=1, colour=colour)
    for tensor in (preprocess(PIXELS, spec)[0], normalize(PIXELS, spec)):
        assert tensor[0].tolist() == [[first, first + 10]]
        assert tensor[1].tolist() == [[2, 12]]


def test_gray_weighs_the_channels():
    tensor, _ = preprocess(PIXELS, Input("i", 2, 1, scale=1, colour="gray"))
    np.testing.assert_allclose(tensor[0, 0, 0], 0.114 * 1 + 0.587 * 2 + 0.299 * 3, rtol=1e-6)


def test_the_picture_is_resized_between_samples_and_padded():
    tensor, geometry = preprocess(PIXELS, Input("i", 4, 4, scale=1, colour="bgr", pad=7))
    assert (geometry.top, geometry.new_height) == (1, 2)
    np.testing.assert_allclose(tensor[0, 1], [1, 3.5, 8.5, 11])
    assert (tensor[:, 0] == 7).all()


def test_scale_mean_and_std_come_last():
    spec = Input("i", 2, 1, scale=1, mean=(1.0, 2.0, 3.0), std=(2.0, 2.0, 2.0))
    assert normalize(PIXELS, spec)[:, 0, 0].tolist() == [1, 0, -1]
