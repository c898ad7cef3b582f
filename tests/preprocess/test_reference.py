import numpy as np
import pytest

from streamd.frames import Colour, Picture
from streamd.manifest import Input
from streamd.preprocess.reference import preprocess

FULL = Colour("bt601", full_range=True)


def flat(y, u, v, width=4, height=2, colour=FULL):
    half = ((height + 1) // 2, (width + 1) // 2)
    return Picture(
        np.full((height, width), y, np.uint8), np.full(half, u, np.uint8), np.full(half, v, np.uint8), colour
    )


def gray_rows(*rows):
    y = np.array(rows, np.uint8)
    neutral = np.full(((y.shape[0] + 1) // 2, (y.shape[1] + 1) // 2), 128, np.uint8)
    return Picture(y, neutral, neutral, FULL)


def test_samples_stand_in_the_middle_of_their_pixel():
    tensor, _ = preprocess(gray_rows([0, 100]), Input("i", 4, 1, colour="gray", scale=1, fit="stretch"))
    np.testing.assert_allclose(tensor[0], [[0, 25, 75, 100]])


def test_shrinking_takes_the_two_nearest_samples_and_no_more():
    tensor, _ = preprocess(gray_rows([0, 40, 80, 255]), Input("i", 1, 1, colour="gray", scale=1, fit="stretch"))
    assert tensor.item() == 60


def test_the_picture_is_centred_on_padding():
    tensor, geometry = preprocess(flat(255, 128, 128), Input("i", 4, 4, scale=1))
    assert (geometry.top, geometry.new_height) == (1, 2)
    np.testing.assert_allclose(tensor[0, :, 0], [114, 255, 255, 114])


def test_padding_is_normalized_like_a_pixel():
    spec = Input("i", 4, 4, mean=(0.5, 0.25, 0.0), std=(0.5, 0.25, 1.0), pad=255)
    np.testing.assert_allclose(preprocess(flat(0, 128, 128), spec)[0][:, 0, 0], (1, 3, 1))


def test_bgr_is_rgb_turned_round():
    picture = flat(81, 90, 240, colour=Colour("bt601"))
    rgb, _ = preprocess(picture, Input("i", 8, 8, scale=1))
    bgr, _ = preprocess(picture, Input("i", 8, 8, scale=1, colour="bgr"))
    np.testing.assert_array_equal(rgb[::-1], bgr)
    np.testing.assert_allclose(rgb[:, 4, 4], (255, 0, 0), atol=1.5)


def test_crop_shows_the_middle():
    spec = Input("i", 2, 2, colour="gray", scale=1, fit="crop")
    tensor, geometry = preprocess(gray_rows([1, 2, 3, 4], [5, 6, 7, 8]), spec)
    np.testing.assert_allclose(tensor[0], [[2, 3], [6, 7]])
    assert geometry.left == -1


@pytest.mark.parametrize("dtype", ["float32", "float16", "uint8"])
def test_the_tensor_has_the_type_of_the_manifest(dtype):
    assert preprocess(flat(9, 128, 128), Input("i", 4, 4, dtype=dtype, scale=1))[0].dtype == dtype


def test_uint8_saturates():
    tensor, _ = preprocess(flat(255, 128, 128), Input("i", 4, 2, dtype="uint8", scale=2))
    assert tensor.max() == 255
