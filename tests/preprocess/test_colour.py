import numpy as np
import pytest

from streamd.frames import Colour
from streamd.preprocess.colour import yuv_to_gray, yuv_to_rgb

COLOURS = [Colour(matrix, full) for matrix in ("bt601", "bt709") for full in (False, True)]


@pytest.mark.parametrize("colour", COLOURS)
def test_white_and_black_are_exact(colour):
    low, high = (0, 255) if colour.full_range else (16, 235)
    np.testing.assert_allclose(yuv_to_rgb(colour) @ (high, 128, 128, 1), 255)
    np.testing.assert_allclose(yuv_to_rgb(colour) @ (low, 128, 128, 1), 0, atol=1e-9)


@pytest.mark.parametrize(
    ("colour", "yuv"),
    [
        (Colour("bt601"), (81, 90, 240)),  # red of 100 % colour bars, ITU-R BT.601
        (Colour("bt709"), (63, 102, 240)),  # likewise, ITU-R BT.709
        (Colour("bt601", full_range=True), (76, 85, 255)),  # JFIF
    ],
)
def test_the_published_code_of_red_is_red(colour, yuv):
    np.testing.assert_allclose(np.clip(yuv_to_rgb(colour) @ (*yuv, 1), 0, 255), (255, 0, 0), atol=1.5)


@pytest.mark.parametrize("colour", COLOURS)
def test_gray_is_the_weighted_mean_of_the_colours(colour):
    red, blue = (0.299, 0.114) if colour.matrix == "bt601" else (0.2126, 0.0722)
    mixed = np.array([red, 1 - red - blue, blue]) @ yuv_to_rgb(colour)
    np.testing.assert_allclose(mixed, yuv_to_gray(colour)[0], atol=1e-9)
