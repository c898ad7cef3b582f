import numpy as np
import pytest

from streamd.errors import ModelError
from streamd.letterbox import Letterbox
from streamd.postprocess import HEADS


def output(*rows, many=200):
    """Rows of centre x, centre y, width, height, three scores, radians."""
    values = np.zeros((1, 8, many), np.float32)
    values[0, :4] = 16
    for at, row in enumerate(rows):
        values[0, :, at] = row
    return values


WIDE = Letterbox.place(1280, 720, 640, 640)


def read(manifest, values, geometry=WIDE, **options):
    return HEADS["obb"](manifest("obb"), **options)([values], [geometry])[0]


def test_a_rotated_box_comes_back_in_source_pixels(manifest):
    found = read(manifest, output([320, 320, 100, 20, 0.1, 0.9, 0.2, 0.5]))
    np.testing.assert_allclose(found.boxes, [[540, 340, 740, 380]], atol=1e-2)
    np.testing.assert_allclose(found.angles, [0.5], atol=1e-6)
    assert found.class_ids.tolist() == [1]
    assert found.angles.dtype == np.float32


def test_a_stretched_picture_turns_the_box(manifest):
    """Twice as wide as the input shows it: a diagonal lies flatter and is longer."""
    stretched = Letterbox.place(1280, 640, 640, 640, "stretch")
    found = read(manifest, output([320, 320, 100, 0.1, 0.9, 0, 0, np.pi / 4]), stretched)
    np.testing.assert_allclose(found.angles, [np.arctan2(1, 2)], rtol=1e-5)
    np.testing.assert_allclose(found.boxes[0, 2] - found.boxes[0, 0], 100 * np.hypot(2, 1) / 2**0.5, rtol=1e-5)


def test_the_same_box_turned_by_half_a_turn_is_suppressed(manifest):
    rows = ([320, 320, 100, 20, 0.9, 0, 0, 0.3], [320, 320, 100, 20, 0.8, 0, 0, 0.3 + np.pi])
    assert len(read(manifest, output(*rows))) == 1


def test_crossing_boxes_are_both_kept(manifest):
    rows = ([320, 320, 100, 10, 0.9, 0, 0, 0.78], [320, 320, 100, 10, 0.8, 0, 0, 2.35])
    assert len(read(manifest, output(*rows))) == 2


def test_what_lies_beside_the_source_is_dropped(manifest):
    """The picture fills rows 140 to 500 of the input."""
    rows = ([320, 90, 300, 20, 0.9, 0, 0, 0], [320, 90, 20, 300, 0.9, 0, 0, 0.1])
    assert len(read(manifest, output(*rows))) == 1


@pytest.mark.parametrize("garbage", [np.nan, np.inf])
@pytest.mark.parametrize("at", [0, 3, 5, 7])
def test_a_row_that_is_not_finite_is_dropped(manifest, garbage, at):
    row = [320, 320, 100, 20, 0.1, 0.9, 0.2, 0.5]
    row[at] = garbage
    assert len(read(manifest, output(row))) == 0


def test_only_the_classes_asked_for_are_found(manifest):
    rows = ([320, 320, 100, 20, 0.9, 0, 0, 0], [100, 320, 100, 20, 0, 0.9, 0, 0])
    assert read(manifest, output(*rows), classes=frozenset({1})).class_ids.tolist() == [1]


def test_an_output_without_an_angle_is_refused(manifest):
    with pytest.raises(ModelError, match=r"one \(N, 5 \+ 3, rows\); the model gave float32 \(1, 7, 200\)"):
        read(manifest, output()[:, :7])
