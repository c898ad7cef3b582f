import gc

import av
import cv2
import numpy as np
import pytest

from streamd.decode import picture_from_image, pictures
from streamd.decode.picture import ToPicture, colour_of
from streamd.frames import Colour

GRAY = av.VideoFrame.from_ndarray(np.full((2, 2), 128, np.uint8), format="gray")


def frame(width, height, pix_fmt, colorspace=2, color_range=0):
    made = av.VideoFrame(width, height, pix_fmt)
    made.colorspace, made.color_range = colorspace, color_range
    return made


def filled(pix_fmt, width=5, height=3, rgb=(200, 100, 50)):
    source = av.VideoFrame.from_ndarray(np.full((height, width, 3), rgb, np.uint8), format="rgb24")
    return source.reformat(format=pix_fmt, dst_colorspace="ITU601", dst_color_range="JPEG")


def to_rgb(picture):
    """BT.601 or BT.709 of one pixel, written out."""
    y, u, v = (float(plane[1, 1]) for plane in (picture.y, picture.u, picture.v))
    if not picture.colour.full_range:
        y, u, v = (y - 16) * 255 / 219, (u - 128) * 255 / 224 + 128, (v - 128) * 255 / 224 + 128
    kr, kb = (0.299, 0.114) if picture.colour.matrix == "bt601" else (0.2126, 0.0722)
    r, b = y + 2 * (1 - kr) * (v - 128), y + 2 * (1 - kb) * (u - 128)
    return r, (y - kr * r - kb * b) / (1 - kr - kb), b


@pytest.mark.parametrize("size", [(1, 1), (2, 2), (3, 5), (641, 361), (7680, 4320)])
def test_chroma_of_odd_sizes_is_rounded_up(size):
    width, height = size
    picture = ToPicture()(frame(width, height, "yuv420p"))
    assert picture.y.shape == (height, width)
    assert picture.u.shape == picture.v.shape == ((height + 1) // 2, (width + 1) // 2)


def test_planes_are_views_that_cannot_be_written():
    source = frame(64, 48, "yuv420p")
    picture = ToPicture()(source)
    assert picture.y.__array_interface__["data"][0] == source.planes[0].buffer_ptr
    with pytest.raises(ValueError, match="read-only"):
        picture.y[0, 0] = 1


def test_a_view_keeps_the_frame_alive():
    source = frame(1920, 1080, "yuv420p")
    source.planes[0].update(bytes([77]) * source.planes[0].buffer_size)
    picture = ToPicture()(source)
    del source
    gc.collect()
    others = [frame(1920, 1080, "yuv420p") for _ in range(4)]
    assert (picture.y == 77).all()
    del others


@pytest.mark.parametrize(
    "pix_fmt", ["nv12", "yuv422p", "yuv444p", "yuvj422p", "yuv420p10le", "rgb24", "bgr24", "gbrp", "p010le"]
)
def test_every_format_keeps_its_colour(pix_fmt):
    source = filled(pix_fmt)
    if not source.format.is_rgb:
        source.colorspace, source.color_range = 5, 2
    picture = ToPicture()(source)
    assert picture.y.shape == (3, 5)
    assert to_rgb(picture) == pytest.approx((200, 100, 50), abs=6)


@pytest.mark.parametrize("color_range", [1, 2])
def test_gray_keeps_its_values_and_has_no_colour(color_range):
    source = av.VideoFrame.from_ndarray(np.full((3, 5), 90, np.uint8), format="gray")
    source.color_range = color_range
    picture = ToPicture()(source)
    assert (picture.y == 90).all()
    assert picture.u.shape == (2, 3)
    assert (picture.u == 128).all()
    assert picture.colour.full_range == (color_range == 2)


@pytest.mark.parametrize(
    ("size", "tag", "matrix"),
    [
        ((640, 480), 2, "bt601"),
        ((720, 576), 2, "bt601"),
        ((1280, 720), 2, "bt709"),
        ((1920, 1080), 2, "bt709"),
        ((1920, 1080), 6, "bt601"),
        ((640, 480), 1, "bt709"),
        ((640, 480), 9, "bt709"),
    ],
)
def test_the_matrix_is_the_tag_or_else_guessed_from_the_size(size, tag, matrix):
    assert colour_of(frame(*size, "yuv420p", colorspace=tag)).matrix == matrix


@pytest.mark.parametrize(
    ("pix_fmt", "tag", "full"),
    [("yuv420p", 0, False), ("yuv420p", 1, False), ("yuv420p", 2, True), ("yuvj420p", 0, True), ("yuvj420p", 2, True)],
)
def test_the_range_is_the_tag_or_else_the_formats(pix_fmt, tag, full):
    assert colour_of(frame(64, 48, pix_fmt, color_range=tag)).full_range is full


def test_a_jpeg_is_full_range_bt601(tmp_path):
    path = tmp_path / "red.jpg"
    cv2.imwrite(str(path), np.full((32, 48, 3), (30, 40, 220), np.uint8))
    picture = picture_from_image(path)
    assert picture.colour == Colour("bt601", full_range=True)
    assert to_rgb(picture) == pytest.approx((220, 40, 30), abs=6)


def test_a_png_keeps_its_colour(tmp_path):
    path = tmp_path / "red.png"
    cv2.imwrite(str(path), np.full((33, 47, 3), (30, 40, 220), np.uint8))
    assert to_rgb(picture_from_image(path)) == pytest.approx((220, 40, 30), abs=4)


@pytest.mark.parametrize("pix_fmt", ["yuv422p", "yuv444p", "yuv420p10le", "gray"])
def test_h264_in_other_formats_decodes(pix_fmt, clip):
    found = list(pictures(clip(frames=3, size=(64, 48), pix_fmt=pix_fmt)))
    assert [picture.y.shape for picture in found] == [(48, 64)] * 3
