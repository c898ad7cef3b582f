import numpy as np
import pytest

from streamd.errors import ModelError
from streamd.postprocess import HEADS

BOX = [100, 50, 300, 250]
OTHER = [310, 200, 400, 420]


def empty(rows=8400, batch=2):
    output = np.zeros((batch, 7, rows), np.float32)
    output[:, :4] = 16
    return output


def put(output, row, at, centre, scores):
    output[row, :4, at] = centre
    output[row, 4:, at] = scores


def test_each_row_is_read_with_its_own_geometry(manifest, geometries, centred, found):
    output = empty()
    put(output, 0, 5, centred(geometries[0], BOX), (0.1, 0.9, 0.2))
    put(output, 1, 8399, centred(geometries[1], OTHER), (0.6, 0.3, 0.2))
    wide, tall = HEADS["yolov8"](manifest("yolov8"))([output], geometries)
    found(wide, (1, 0.9, BOX))
    found(tall, (0, 0.6, OTHER))


def test_a_row_speaks_for_its_best_class_only(manifest, geometries, centred, found):
    output = empty()
    put(output, 0, 0, centred(geometries[0], BOX), (0.8, 0.9, 0.7))
    found(HEADS["yolov8"](manifest("yolov8"))([output], geometries)[0], (1, 0.9, BOX))


def test_overlapping_boxes_of_a_class_become_one(manifest, geometries, centred, found):
    output = empty()
    put(output, 0, 3, centred(geometries[0], BOX), (0.8, 0, 0))
    put(output, 0, 4, centred(geometries[0], [102, 52, 300, 250]), (0.9, 0, 0))
    put(output, 0, 5, centred(geometries[0], BOX), (0, 0.7, 0))
    detections = HEADS["yolov8"](manifest("yolov8"))([output], geometries)[0]
    found(detections, (0, 0.9, [102, 52, 300, 250]), (1, 0.7, BOX))


def test_a_score_counts_from_the_threshold_on(manifest, geometries, centred):
    output = empty()
    put(output, 0, 3, centred(geometries[0], BOX), (0.5, 0, 0))
    put(output, 1, 3, centred(geometries[1], BOX), (np.nextafter(np.float32(0.5), np.float32(0)), 0, 0))
    assert list(map(len, HEADS["yolov8"](manifest("yolov8"), confidence=0.5)([output], geometries))) == [1, 0]


def test_other_classes_are_passed_over(manifest, geometries, centred):
    output = empty()
    put(output, 0, 3, centred(geometries[0], BOX), (0.9, 0, 0))
    put(output, 0, 9, centred(geometries[0], OTHER), (0, 0, 0.8))
    head = HEADS["yolov8"](manifest("yolov8"), classes=frozenset({1, 2}))
    assert head([output], geometries)[0].class_ids.tolist() == [2]


def test_the_best_are_kept_when_there_are_too_many(manifest, geometries, centred):
    output = empty()
    for at, score in enumerate((0.5, 0.9, 0.7)):
        put(output, 0, at, centred(geometries[0], [at * 100, 0, at * 100 + 50, 50]), (score, 0, 0))
    detections = HEADS["yolov8"](manifest("yolov8"), max_detections=2)([output], geometries)[0]
    np.testing.assert_allclose(detections.scores, (0.9, 0.7))


def test_nothing_found_is_empty_arrays(manifest, geometries, found):
    for detections in HEADS["yolov8"](manifest("yolov8"))([empty()], geometries):
        found(detections)


def test_rows_beyond_the_geometries_are_padding(manifest, geometries):
    assert len(HEADS["yolov8"](manifest("yolov8"))([empty()], geometries[:1])) == 1


def test_boxes_are_clipped_to_the_picture(manifest, geometries, centred, found):
    output = empty()
    put(output, 0, 0, centred(geometries[0], [-50, -10, 90, 80]), (0.9, 0, 0))
    found(HEADS["yolov8"](manifest("yolov8"))([output], geometries)[0], (0, 0.9, [0, 0, 90, 80]))


def test_a_box_in_the_padding_is_dropped(manifest, geometries):
    output = empty()
    put(output, 0, 0, (320, 20, 50, 30), (0.9, 0, 0))
    assert len(HEADS["yolov8"](manifest("yolov8"))([output], geometries)[0]) == 0


@pytest.mark.parametrize("garbage", [np.nan, np.inf, -np.inf, 3e38, -3e38], ids=["nan", "inf", "-inf", "huge", "-huge"])
@pytest.mark.parametrize("at", range(7))
@pytest.mark.filterwarnings("error")
def test_garbage_never_gets_out(manifest, geometries, centred, at, garbage):
    output = empty()
    put(output, 0, 0, centred(geometries[0], BOX), (0.9, 0.1, 0.1))
    put(output, 0, 1, centred(geometries[0], OTHER), (0.8, 0.1, 0.1))
    output[0, at, 0] = garbage
    detections = HEADS["yolov8"](manifest("yolov8"))([output], geometries)[0]
    assert 0.8 in detections.scores.round(3)
    assert np.isfinite(detections.boxes).all()
    assert (detections.scores <= 1).all()
    assert (detections.boxes[:, :2] < detections.boxes[:, 2:]).all()


def test_float16_is_read_alike(manifest, geometries, centred, found):
    output = empty()
    put(output, 0, 5, centred(geometries[0], BOX), (0.1, 0.9, 0.2))
    found(HEADS["yolov8"](manifest("yolov8"))([output.astype(np.float16)], geometries)[0], (1, 0.9, BOX))


def test_what_is_returned_outlives_the_buffer(manifest, geometries, centred, found):
    output = empty()
    put(output, 0, 5, centred(geometries[0], BOX), (0.1, 0.9, 0.2))
    detections = HEADS["yolov8"](manifest("yolov8"))([output], geometries)[0]
    output[:] = np.nan
    found(detections, (1, 0.9, BOX))


def test_every_row_alight_is_bounded(manifest, geometries):
    output = np.random.default_rng(0).uniform(0.3, 1, (1, 7, 8400)).astype(np.float32)
    output[:, :4] *= 600
    assert len(HEADS["yolov8"](manifest("yolov8"))([output], geometries[:1])[0]) <= 300


@pytest.mark.parametrize("shape", [(1, 8, 8400), (1, 8400, 7), (7, 8400), (1, 7)])
def test_another_shape_is_named_beside_the_expected(manifest, geometries, shape):
    with pytest.raises(ModelError, match=r"yolov8 with 3 labels reads one \(N, 4 \+ 3, rows\); the model gave float32"):
        HEADS["yolov8"](manifest("yolov8"))([np.zeros(shape, np.float32)], geometries[:1])


def test_without_labels_any_number_of_classes_is_read(manifest, geometries, centred):
    output = np.zeros((1, 30, 50), np.float32)
    output[0, :4, 7], output[0, 29, 7] = centred(geometries[0], BOX), 0.9
    unlabelled = manifest("yolov8").__class__("yolov8", (), manifest("yolov8").input)
    assert HEADS["yolov8"](unlabelled)([output], geometries[:1])[0].class_ids.tolist() == [25]
