import numpy as np
import pytest

from streamd.errors import ModelError
from streamd.postprocess import HEADS

BOX = [100, 50, 301, 251]  # its centre lies on the edge of no cell, where a logit would be infinite
ANCHORS = ((116, 90, 156, 198, 373, 326), (30, 61, 62, 45, 59, 119), (10, 13, 16, 30, 33, 23))
SIDES = (20, 40, 80)


def logit(probability):
    return np.log(probability / (1 - probability))


def raw(centre, level, anchor, objectness, scores):
    """Encode a box for one anchor of a level; return its map row, its map column and its values."""
    stride = 640 / SIDES[level]
    x, y, width, height = centre
    column, row = int(x // stride), int(y // stride)
    size = np.array(ANCHORS[level]).reshape(-1, 2)[anchor]
    place = logit(np.array([x / stride - column, y / stride - row]))
    return row, column, [*place, *np.log((width, height) / size), logit(objectness), *logit(np.array(scores))]


def maps_with(*placed, apart):
    maps = [np.full((2, 3, 8, side, side), -9, np.float32) for side in SIDES]
    for batch, level, anchor, centre, objectness, scores in placed:
        row, column, values = raw(centre, level, anchor, objectness, scores)
        maps[level][batch, anchor, :, row, column] = values
    if apart:
        return [level.transpose(0, 1, 3, 4, 2) for level in maps]
    return [level.reshape(2, 24, *level.shape[3:]) for level in maps]


@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize("level", [0, 1, 2])
@pytest.mark.parametrize("anchor", [0, 1, 2])
def test_a_box_comes_back_from_any_level_and_anchor(manifest, geometries, centred, found, apart, level, anchor):
    maps = maps_with(
        (0, level, anchor, centred(geometries[0], BOX), 0.9, (0.1, 0.8, 0.1)),
        (1, level, anchor, centred(geometries[1], BOX), 0.7, (0.9, 0.1, 0.1)),
        apart=apart,
    )
    wide, tall = HEADS["yolov3"](manifest("yolov3", anchors=ANCHORS))(maps, geometries)
    found(wide, (1, 0.72, BOX))
    found(tall, (0, 0.63, BOX))


def test_two_levels_that_see_one_thing_tell_it_once(manifest, geometries, centred, found):
    centre = centred(geometries[0], BOX)
    maps = maps_with((0, 0, 0, centre, 0.8, (0.9, 0.1, 0.1)), (0, 1, 2, centre, 0.9, (0.9, 0.1, 0.1)), apart=False)
    found(HEADS["yolov3"](manifest("yolov3", anchors=ANCHORS))(maps, geometries)[0], (0, 0.81, BOX))


@pytest.mark.parametrize("confidence", [0.0, 1.0])
def test_thresholds_at_the_ends_work(manifest, geometries, confidence):
    head = HEADS["yolov3"](manifest("yolov3", anchors=ANCHORS), confidence=confidence)
    assert len(head(maps_with(apart=False), geometries)[0]) == (300 if confidence == 0 else 0)


@pytest.mark.filterwarnings("error")
def test_an_absurd_size_is_dropped(manifest, geometries, centred):
    maps = maps_with((0, 0, 0, centred(geometries[0], BOX), 0.8, (0.9, 0.1, 0.1)), apart=True)
    maps[0][0, 0, :, :, 2] = 1e4
    assert len(HEADS["yolov3"](manifest("yolov3", anchors=ANCHORS))(maps, geometries)[0]) == 0


def test_anchors_are_required(manifest):
    with pytest.raises(ModelError, match="needs anchors"):
        HEADS["yolov3"](manifest("yolov3"))


@pytest.mark.parametrize("maps", [[], [(1, 24, 20, 20)], [(1, 24, 20, 20), (1, 24, 40, 40), (1, 25, 80, 80)]])
def test_other_maps_are_named(manifest, geometries, maps):
    outputs = [np.zeros(shape, np.float32) for shape in maps]
    with pytest.raises(ModelError, match="reads 3 maps"):
        HEADS["yolov3"](manifest("yolov3", anchors=ANCHORS))(outputs, geometries[:1])
