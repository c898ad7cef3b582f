import cv2
import numpy as np
import pytest

from streamd.errors import DataError
from streamd.int8.sensitivity.feed import Feed, labels_in
from streamd.manifest import Input
from streamd.scenes import write_dataset

SPEC = Input("images", 64, 64)


@pytest.fixture(scope="module")
def labelled(tmp_path_factory):
    folder = tmp_path_factory.mktemp("labelled")
    write_dataset(folder, split="held-out", images=5, seed=0, width=128, height=96)
    return folder


def test_a_feed_has_an_input_a_geometry_and_a_truth_for_each_picture(labelled):
    dataset = labels_in([labelled], "yolov8")
    feed = Feed.labelled(SPEC, dataset)
    assert [one.shape for one in feed.inputs] == [(1, 3, 64, 64)] * 5
    assert [truth.path for truth in feed.truths] == [truth.path for truth in dataset.truths]
    assert {one.src_width for one in feed.geometries} == {128}


def test_a_few_of_them_are_evenly_chosen_and_stay_together(labelled):
    feed = Feed.labelled(SPEC, labels_in([labelled], "yolov8"))
    few = feed.few(3)
    for now, before in zip((0, 1, 2), (0, 2, 4), strict=True):
        assert few.inputs[now] is feed.inputs[before]
        assert few.truths[now] is feed.truths[before]
    assert len(feed.few(99).inputs) == 5


def test_pictures_without_labels_are_no_data_set(tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((8, 8, 3), np.uint8))
    assert labels_in([tmp_path], "yolov8") is None
    assert labels_in([tmp_path], "classify") is None
    assert labels_in([tmp_path / "a.png"], "yolov8") is None


def test_a_folder_a_class_is_one_for_a_classifier_alone(tmp_path):
    (tmp_path / "cat").mkdir()
    cv2.imwrite(str(tmp_path / "cat" / "a.png"), np.zeros((8, 8, 3), np.uint8))
    assert labels_in([tmp_path], "classify").labels == ("cat",)
    assert labels_in([tmp_path], "yolov8") is None


def test_labels_of_another_kind_are_told(labelled):
    with pytest.raises(DataError, match="is labelled to detect, the model's head is classify"):
        labels_in([labelled], "classify")


def test_no_picture_is_told():
    with pytest.raises(DataError, match="no picture to measure on"):
        Feed.of(SPEC, [])


def test_a_model_of_a_fixed_batch_is_fed_the_same_picture_in_every_row(labelled):
    dataset = labels_in([labelled], "yolov8")
    one, three = (Feed.labelled(SPEC, dataset, rows) for rows in (1, 3))
    for single, batch in zip(one.inputs, three.inputs, strict=True):
        assert batch.shape == (3, 3, 64, 64)
        assert all(np.array_equal(row, single[0]) for row in batch)
