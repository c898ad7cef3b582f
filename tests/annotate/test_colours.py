"""Colours against the textbook values of BT.601 and BT.709."""

import pytest

from streamd.annotate import colours
from streamd.frames import Colour


@pytest.mark.parametrize(
    "rgb,matrix,full,yuv",
    [
        ((1, 1, 1), "bt601", False, (235, 128, 128)),
        ((0, 0, 0), "bt601", False, (16, 128, 128)),
        ((1, 1, 1), "bt709", True, (255, 128, 128)),
        ((1, 0, 0), "bt601", False, (81, 90, 240)),
        ((0, 1, 0), "bt601", False, (145, 54, 34)),
        ((0, 0, 1), "bt601", False, (41, 240, 110)),
        ((1, 0, 0), "bt709", False, (63, 102, 240)),
        ((0, 0, 1), "bt709", False, (32, 240, 118)),
        ((0, 0, 1), "bt601", True, (29, 255, 107)),
    ],
)
def test_the_primaries(rgb, matrix, full, yuv):
    assert colours.to_yuv(rgb, Colour(matrix, full)) == yuv


def test_eighty_classes_have_eighty_colours():
    assert len({colours.to_yuv(colours.of_class(i), Colour()) for i in range(80)}) == 80


@pytest.mark.parametrize("class_id", [-1, 0, 79, 10**6])
def test_every_class_has_a_colour_within_range(class_id):
    assert all(0 <= channel <= 1 for channel in colours.of_class(class_id))


def test_text_is_dark_on_light_and_light_on_dark():
    assert colours.text_on((1, 1, 0.3)) == colours.BLACK
    assert colours.text_on((0.1, 0.1, 0.8)) == colours.WHITE
