import numpy as np
import pytest

from streamd.annotate.paint import paint
from streamd.gpu.layouts import MARK


def painted(*marks, size=(8, 6), atlas=()):
    """The planes (Y, and pairs of U, V) of a black picture of width and height after some marks."""
    width, height = size
    luma = np.zeros((height, width), np.uint8)
    chroma = np.zeros(((height + 1) // 2, (width + 1) // 2, 2), np.uint8)
    paint(luma, chroma, np.array(list(marks), MARK), np.array(atlas, np.uint8))
    return luma, chroma


def mark(left, top, right, bottom, mask=-1, pitch=0, alpha=255):
    return (left, top, right, bottom, mask, pitch, 200, 90, 30, alpha)


def test_an_opaque_mark_replaces_luma_and_whole_chroma_samples():
    luma, chroma = painted(mark(2, 2, 6, 4))
    assert (luma[2:4, 2:6] == 200).all() and luma.sum() == 8 * 200
    assert chroma[1].tolist() == [[0, 0], [90, 30], [90, 30], [0, 0]]


def test_a_mark_at_an_odd_place_covers_its_chroma_in_part():
    _, chroma = painted(mark(3, 2, 4, 4))
    assert chroma[1, 1].tolist() == [45, 15]


@pytest.mark.parametrize("size", [(7, 5), (1, 1)])
def test_the_last_samples_of_an_odd_picture_are_covered_whole(size):
    luma, chroma = painted(mark(-2, -2, 20, 20), size=size)
    assert (luma == 200).all() and (chroma == (90, 30)).all()


def test_a_half_transparent_mark_lets_half_through():
    assert painted(mark(0, 0, 2, 2, alpha=128))[0][0, 0] == round(200 * 128 / 255)


def test_later_marks_lie_on_top():
    red, blue = (0, 0, 4, 4, -1, 0, 10, 0, 0, 255), (2, 0, 6, 4, -1, 0, 20, 0, 0, 255)
    assert painted(red, blue)[0][0].tolist() == [10, 10, 20, 20, 20, 20, 0, 0]
    assert painted(blue, red)[0][0].tolist() == [10, 10, 10, 10, 20, 20, 0, 0]


def test_a_mask_is_read_from_its_place_in_the_atlas():
    luma, _ = painted(mark(0, 0, 2, 2, mask=1, pitch=3), atlas=[9, 255, 0, 9, 0, 255, 9])
    assert luma[:2, :2].tolist() == [[200, 0], [0, 200]]


def test_what_lies_outside_is_not_painted():
    luma, chroma = painted(mark(-9, 0, 0, 6), mark(8, 0, 12, 6), mark(2, 3, 2, 9))
    assert not luma.any() and not chroma.any()
