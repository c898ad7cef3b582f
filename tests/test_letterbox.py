import numpy as np
import pytest

from streamd.letterbox import Letterbox


def test_a_wide_picture_is_centred_between_bars():
    assert Letterbox.place(1920, 1080, 640, 640) == Letterbox(1920, 1080, 640, 360, 0, 140)


def test_the_larger_half_of_an_odd_remainder_goes_below():
    assert Letterbox.place(4, 1, 4, 4).top == 1


def test_top_left_has_no_offset():
    assert Letterbox.place(640, 360, 416, 416, anchor="top-left") == Letterbox(640, 360, 416, 234, 0, 0)


def test_stretch_fills_the_input():
    assert Letterbox.place(7, 5, 64, 32, "stretch") == Letterbox(7, 5, 64, 32, 0, 0)


def test_crop_covers_the_input_and_overhangs_evenly():
    assert Letterbox.place(1920, 1080, 224, 224, "crop", "top-left") == Letterbox(1920, 1080, 398, 224, -87, 0)


def test_the_thinnest_picture_keeps_a_pixel():
    assert Letterbox.place(7680, 1, 64, 64).new_height == 1


@pytest.mark.parametrize("fit", ["letterbox", "stretch", "crop"])
@pytest.mark.parametrize("size", [(1, 1), (7, 5), (1920, 1080), (1080, 1920)])
def test_to_source_undoes_to_input(size, fit):
    geometry = Letterbox.place(*size, 320, 192, fit)
    boxes = np.array([[0, 0, *size], [size[0] * 0.25, size[1] * 0.5, size[0] * 0.75, size[1]]], np.float32)
    np.testing.assert_allclose(geometry.to_source(geometry.to_input(boxes)), boxes, rtol=1e-4, atol=1e-4)


def test_boxes_are_clipped_to_the_source():
    box = Letterbox.place(1920, 1080, 640, 640).to_source(np.array([[-9, 0, 999, 640]], np.float32))
    assert box.tolist() == [[0, 0, 1920, 1080]]
    assert box.dtype == np.float32


def test_no_boxes_map_to_no_boxes():
    assert Letterbox.place(7, 5, 64, 64).to_source(np.zeros((0, 4), np.float32)).shape == (0, 4)
