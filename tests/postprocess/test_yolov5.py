import numpy as np
import pytest

from streamd.errors import ModelError
from streamd.postprocess import HEADS

BOX = [100, 50, 300, 250]
OTHER = [310, 200, 400, 420]
ANCHORS = ((10, 13, 16, 30, 33, 23), (30, 61, 62, 45, 59, 119), (116, 90, 156, 198, 373, 326))


def rows_with(geometries, centred, *placed):
    output = np.zeros((2, 25200, 8), np.float32)
    for row, at, box, tail in placed:
        output[row, at] = (*centred(geometries[row], box), *tail)
    return output


@pytest.mark.parametrize("name", ["yolov5", "yolov6"])
def test_each_row_is_read_with_its_own_geometry(manifest, geometries, centred, found, name):
    output = rows_with(geometries, centred, (0, 7, BOX, (0.9, 0.1, 0.8, 0)), (1, 25199, OTHER, (1.0, 0.1, 0.2, 0.7)))
    wide, tall = HEADS[name](manifest(name))([output], geometries)
    found(wide, (1, 0.72, BOX))
    found(tall, (2, 0.7, OTHER))


def test_the_product_is_held_to_the_threshold(manifest, geometries, centred):
    output = rows_with(geometries, centred, (0, 7, BOX, (0.4, 0.5, 0, 0)))
    assert len(HEADS["yolov5"](manifest("yolov5"), confidence=0.3)([output], geometries)[0]) == 0


@pytest.mark.parametrize("at", range(8))
def test_nan_never_gets_out(manifest, geometries, centred, at):
    output = rows_with(geometries, centred, (0, 7, BOX, (0.9, 0.9, 0, 0)), (0, 8, OTHER, (0.8, 1, 0, 0)))
    output[0, 7, at] = np.nan
    np.testing.assert_allclose(HEADS["yolov5"](manifest("yolov5"))([output], geometries)[0].scores, [0.8])


def test_nothing_found_is_empty_arrays(manifest, geometries, centred, found):
    for detections in HEADS["yolov5"](manifest("yolov5"))([rows_with(geometries, centred)], geometries):
        found(detections)


def test_another_shape_is_named(manifest, geometries):
    with pytest.raises(ModelError, match=r"reads one \(N, rows, 5 \+ 3\)"):
        HEADS["yolov5"](manifest("yolov5"))([np.zeros((1, 25200, 9), np.float32)], geometries[:1])


def test_raw_maps_are_decoded_by_the_anchors(manifest, geometries, centred, found):
    maps = [np.full((2, 3, side, side, 8), -9, np.float32) for side in (80, 40, 20)]
    x, y, width, height = centred(geometries[1], BOX)
    column, row = int(x // 16), int(y // 16)
    anchor = np.array(ANCHORS[1][4:])
    between = ((x / 16 - column + 0.5) / 2, (y / 16 - row + 0.5) / 2, *(np.sqrt((width, height) / anchor) / 2), 0.9)
    maps[1][1, 2, row, column, :5] = logit(np.array(between))
    maps[1][1, 2, row, column, 6] = logit(0.8)
    head = HEADS["yolov5"](manifest("yolov5", anchors=ANCHORS))
    wide, tall = head(maps, geometries)
    found(wide)
    found(tall, (1, 0.72, BOX))


def logit(probability):
    return np.log(probability / (1 - probability))
