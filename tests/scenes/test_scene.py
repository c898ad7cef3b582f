"""One fact a test: what a scene promises."""

import numpy as np
import pytest

from streamd.errors import DataError
from streamd.scenes import CLASSES, Scene
from streamd.scenes.palette import PALETTES
from streamd.scenes.scene import MIN_AREA, MIN_SHARE, MIN_SIDE_PX

SMALL = {"width": 320, "height": 180}


@pytest.fixture(scope="module")
def scene():
    return Scene(69, split="held-out", **SMALL)


def test_the_same_seed_and_index_give_the_same_frame(scene):
    picture, truths = Scene(69, split="held-out", **SMALL).frame(40)
    again, told_again = scene.frame(40)
    assert np.array_equal(picture, again)
    assert truths == told_again


def test_any_frame_can_be_asked_for_alone(scene):
    in_order = [picture for picture, _ in scene.frames(4)]
    assert np.array_equal(scene.frame(3)[0], in_order[3])
    assert np.array_equal(scene.frame(1)[0], in_order[1])


def test_things_move(scene):
    assert not np.array_equal(scene.frame(0)[0], scene.frame(25)[0])


def test_another_seed_is_another_scene(scene):
    assert not np.array_equal(scene.frame(0)[0], Scene(70, split="held-out", **SMALL).frame(0)[0])


def test_the_splits_share_no_scene():
    held, train = (Scene(5, split=split, **SMALL).frame(0)[0] for split in ("held-out", "train"))
    assert not np.array_equal(held, train)


@pytest.mark.parametrize("field", ["walls", "roofs", "asphalt", "paving", "grass", "leaves", "furniture"])
def test_the_splits_share_no_background_colour(field):
    train, held = (set(getattr(PALETTES[split], field)) for split in ("train", "held-out"))
    assert not train & held


def test_the_splits_have_other_weather():
    train, held = PALETTES["train"], PALETTES["held-out"]
    assert (train.times, train.rain, train.fog) != (held.times, held.rain, held.fog)


def test_boxes_lie_in_the_picture(scene):
    for index in range(0, 500, 50):
        for truth in scene.frame(index)[1]:
            x1, y1, x2, y2 = truth.box
            assert 0 <= x1 < x2 <= 320
            assert 0 <= y1 < y2 <= 180


def test_nothing_smaller_than_the_bounds_is_told(scene):
    for index in range(0, 500, 50):
        for truth in scene.frame(index)[1]:
            x1, y1, x2, y2 = truth.box
            assert min(x2 - x1, y2 - y1) >= MIN_SIDE_PX
            assert (x2 - x1) * (y2 - y1) >= MIN_AREA * 320 * 180
            assert MIN_SHARE <= truth.visible <= 1


def test_labels_are_the_names_of_the_classes(scene):
    assert all(truth.label == CLASSES[truth.class_id] for truth in scene.frame(0)[1])


@pytest.mark.parametrize(("width", "height"), [(64, 64), (333, 187), (65, 201), (1280, 720)])
def test_any_size_can_be_had(width, height):
    picture, _ = Scene(3, width=width, height=height).frame(7)
    assert picture.shape == (height, width, 3)
    assert picture.dtype == np.uint8


@pytest.mark.parametrize(("width", "height"), [(63, 200), (200, 63), (3841, 64), (64, 99999), (-960, 540)])
def test_a_picture_too_small_or_too_large_is_refused(width, height):
    with pytest.raises(DataError, match="64 to 3840"):
        Scene(1, width=width, height=height)


def test_an_unknown_split_is_refused():
    with pytest.raises(DataError, match="held-out"):
        Scene(1, split="test")
