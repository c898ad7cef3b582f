import numpy as np
import pytest

from streamd.annotate.paint import eight_bit, paint
from streamd.gpu.layouts import MARK, OUTLINE, SUBPIXELS, UNIT


def painted(*marks, size=(8, 6), atlas=()):
    """The planes (Y, and pairs of U, V) of a black picture of width and height after some marks."""
    width, height = size
    luma = np.zeros((height, width), np.uint8)
    chroma = np.zeros(((height + 1) // 2, (width + 1) // 2, 2), np.uint8)
    paint(luma, chroma, np.array(list(marks), MARK), np.array(atlas, np.uint8))
    return luma, chroma


def mark(left, top, right, bottom, mask=-1, pitch=0, alpha=255):
    return (left, top, right, bottom, mask, pitch, 200, 90, 30, alpha, *[0] * 7)


def outline(centre, half, line, angle=0.0):
    """The outline of a turned box, its lengths in pixels."""
    lengths = [round(SUBPIXELS * length) for length in (*centre, *half, line / 2)]
    turn = [round(UNIT * np.cos(angle)), round(UNIT * np.sin(angle))]
    return (*mark(0, 0, 99, 99, OUTLINE)[:10], *lengths, *turn)


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
    red, blue = ((x, 0, x + 4, 4, -1, 0, y, 0, 0, 255, *[0] * 7) for x, y in ((0, 10), (2, 20)))
    assert painted(red, blue)[0][0].tolist() == [10, 10, 20, 20, 20, 20, 0, 0]
    assert painted(blue, red)[0][0].tolist() == [10, 10, 10, 10, 20, 20, 0, 0]


def test_a_mask_is_read_from_its_place_in_the_atlas():
    luma, _ = painted(mark(0, 0, 2, 2, mask=1, pitch=3), atlas=[9, 255, 0, 9, 0, 255, 9])
    assert luma[:2, :2].tolist() == [[200, 0], [0, 200]]


def test_what_lies_outside_is_not_painted():
    luma, chroma = painted(mark(-9, 0, 0, 6), mark(8, 0, 12, 6), mark(2, 3, 2, 9))
    assert not luma.any() and not chroma.any()


def test_the_line_of_an_outline_lies_on_both_sides_of_the_box():
    luma, _ = painted(outline((8, 8), (4, 3), 2), size=(16, 16))
    want = np.zeros((16, 16), np.uint8)
    want[4:12, 3:13] = 200
    want[6:10, 5:11] = 0
    np.testing.assert_array_equal(luma, want)


def test_a_quarter_turn_swaps_the_sides():
    flat, _ = painted(outline((8, 8), (5, 3), 2), size=(16, 16))
    upright, _ = painted(outline((8, 8), (5, 3), 2, np.pi / 2), size=(16, 16))
    np.testing.assert_array_equal(upright, flat.T)
    assert (upright != flat).any()


def test_an_outline_at_any_angle_has_the_length_and_width_asked_for():
    for angle in np.linspace(0, 3, 13):
        luma, _ = painted(outline((32, 32), (20, 12), 4, angle), size=(64, 64))
        assert (luma > 0).sum() == pytest.approx(44 * 28 - 36 * 20, rel=0.06)


def test_a_box_narrower_than_its_line_is_painted_whole():
    luma, _ = painted(outline((8, 8), (3, 1), 4), size=(16, 16))
    assert (luma > 0).sum() == 10 * 6 and luma[5:11, 3:13].all()


def test_samples_of_ten_bits_are_rounded():
    ten = np.array([0, 1, 2, 3, 4, 940, 1021, 1022, 1023], np.uint16)
    assert eight_bit(ten << 6).tolist() == [0, 0, 1, 1, 1, 235, 255, 255, 255]
