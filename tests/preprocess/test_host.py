"""The fast path against the reference. Differences are given in pixel units, 0..255.

Resized planes are rounded to 8 bits, half a step each, and OpenCV's weights to 1/2048. Red and blue amplify that by at
most 1.17 (luma) and 2.12 (chroma): below 3 for one pixel, below 0.5 on average. That detections do not notice is
tested in test_agreement.py.
"""

import cv2
import numpy as np
import pytest

from streamd.errors import ModelError
from streamd.frames import Colour, Picture
from streamd.manifest import Input
from streamd.preprocess.host import HostPreprocess
from streamd.preprocess.reference import preprocess

LARGEST = 3.0
MEAN = 0.5
BT601 = Colour()
SIZES = [(1, 1), (2, 3), (7, 5), (1, 9), (64, 48), (639, 361), (1920, 1080)]
COLOURS = [Colour(matrix, full) for matrix in ("bt601", "bt709") for full in (False, True)]


def noise(width, height, colour=BT601, seed=0):
    rng = np.random.default_rng(seed)
    half = ((height + 1) // 2, (width + 1) // 2)
    return Picture(*(rng.integers(0, 256, size, np.uint8) for size in ((height, width), half, half)), colour)


def smooth(width, height, colour=BT601):
    coarse = noise(8, 8, colour)
    half = ((width + 1) // 2, (height + 1) // 2)
    planes = ((coarse.y, (width, height)), (coarse.u, half), (coarse.v, half))
    return Picture(*(cv2.resize(plane, size, interpolation=cv2.INTER_CUBIC) for plane, size in planes), colour)


def row_for(spec):
    return np.full((2, spec.channels, spec.height, spec.width), 77).astype(spec.dtype)[1]


def difference(picture, spec):
    """Return |fast - reference| in pixel units."""
    row = row_for(spec)
    geometry = HostPreprocess(spec)(picture, row)
    expected, where = preprocess(picture, spec)
    assert geometry == where
    step = np.broadcast_to(np.abs(np.array(spec.std)) / spec.scale, spec.channels)[:, None, None]
    return np.abs(row.astype(np.float64) - expected.astype(np.float64)) * step


def agrees(picture, spec, slack=0.0):
    off = difference(picture, spec)
    return off.max() <= LARGEST + slack and off.mean() <= MEAN + slack


@pytest.mark.parametrize("make", [noise, smooth])
@pytest.mark.parametrize("size", SIZES)
def test_every_size_agrees(size, make):
    assert agrees(make(*size), Input("i", 96, 64))


@pytest.mark.parametrize("size", [(1, 1), (7, 5), (33, 17)])
@pytest.mark.parametrize("target", [(1, 1), (3, 2), (31, 64)])
def test_every_tiny_target_agrees(size, target):
    assert difference(noise(*size), Input("i", *target)).max() <= LARGEST


@pytest.mark.parametrize("order", ["rgb", "bgr", "gray"])
@pytest.mark.parametrize("colour", COLOURS)
def test_every_colour_agrees(colour, order):
    assert agrees(noise(160, 90, colour), Input("i", 96, 64, colour=order))


@pytest.mark.parametrize("fit", ["letterbox", "stretch", "crop"])
@pytest.mark.parametrize("anchor", ["center", "top-left"])
@pytest.mark.parametrize("size", [(160, 90), (90, 160)])
def test_every_fit_agrees(size, anchor, fit):
    assert agrees(noise(*size), Input("i", 96, 64, fit=fit, anchor=anchor, pad=3))


@pytest.mark.parametrize("order", ["rgb", "gray"])
@pytest.mark.parametrize("dtype", ["float32", "float16", "uint8"])
def test_every_type_agrees(dtype, order):
    slack = 0.0 if dtype == "float32" else 0.5  # the pixel, rounded to 8 bits
    assert agrees(noise(160, 90), Input("i", 96, 64, dtype=dtype, colour=order, scale=1), slack)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_mean_and_std_a_channel_agree(dtype):
    spec = Input("i", 96, 64, dtype=dtype, mean=(0.485, 0.456, 0.406), std=(0.229, -0.224, 0.225))
    assert agrees(noise(160, 90), spec, slack=0.5 if dtype == "float16" else 0)


@pytest.mark.parametrize("fit", ["letterbox", "crop"])
@pytest.mark.parametrize("size", [(7680, 2), (2, 4320)])
def test_a_thread_of_8k_agrees(size, fit):
    assert agrees(noise(*size), Input("i", 64, 64, fit=fit))


def test_the_reading_of_a_long_crop_stays_small():
    host = HostPreprocess(Input("i", 64, 64, fit="crop"))
    host(noise(7680, 2), row_for(Input("i", 64, 64)))
    assert sum(scratch._memory.nbytes for scratch in host._planes) == 0


def test_nothing_of_the_picture_before_remains():
    spec = Input("i", 64, 64)
    host, row = HostPreprocess(spec), row_for(spec)
    host(noise(90, 160), row)
    host(noise(160, 90), row)
    fresh = row_for(spec)
    HostPreprocess(spec)(noise(160, 90), fresh)
    np.testing.assert_array_equal(row, fresh)


def test_only_its_own_row_is_written():
    spec = Input("i", 64, 64)
    batch = np.full((3, 3, 64, 64), 7, np.float32)
    HostPreprocess(spec)(noise(160, 90), batch[1])
    assert (batch[[0, 2]] == 7).all()


def test_strided_read_only_planes_are_read_as_they_are():
    spec, plain = Input("i", 96, 64), noise(160, 90)
    padded = [np.pad(plane, ((0, 0), (0, 13)))[:, : plane.shape[1]] for plane in (plain.y, plain.u, plain.v)]
    for plane in padded:
        plane.flags.writeable = False
    row, expected = row_for(spec), row_for(spec)
    HostPreprocess(spec)(Picture(*padded), row)
    HostPreprocess(spec)(plain, expected)
    np.testing.assert_array_equal(row, expected)


@pytest.mark.parametrize("row", [np.zeros((3, 64, 96), np.float16), np.zeros((3, 96, 64), np.float32)])
def test_a_row_of_another_type_or_shape_is_refused(row):
    with pytest.raises(ModelError, match=r"the manifest says float32 \(3, 64, 96\), the model takes"):
        HostPreprocess(Input("i", 96, 64))(noise(7, 5), row)
