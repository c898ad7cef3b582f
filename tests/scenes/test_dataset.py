"""What is written is COCO, whole and repeatable."""

import json

import cv2
import pytest

from streamd.errors import DataError
from streamd.scenes import CLASSES, nine, write_dataset


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    out, told = tmp_path_factory.mktemp("set"), []
    path = write_dataset(
        out, split="held-out", images=6, seed=3, width=320, height=180, progress=lambda *step: told.append(step)
    )
    return out, json.loads(path.read_text()), told


def test_every_picture_listed_is_there_at_its_size(written):
    out, coco, _ = written
    for entry in coco["images"]:
        assert cv2.imread(str(out / entry["file_name"])).shape == (entry["height"], entry["width"], 3)


def test_annotations_point_at_pictures_and_categories(written):
    _, coco, _ = written
    pictures, kinds = ({entry["id"] for entry in coco[name]} for name in ("images", "categories"))
    assert all(entry["image_id"] in pictures and entry["category_id"] in kinds for entry in coco["annotations"])


def test_annotation_ids_are_unique(written):
    _, coco, _ = written
    assert len({entry["id"] for entry in coco["annotations"]}) == len(coco["annotations"]) > 0


def test_categories_are_the_classes(written):
    _, coco, _ = written
    assert tuple(entry["name"] for entry in coco["categories"]) == CLASSES


def test_boxes_are_x_y_width_height_in_the_picture(written):
    _, coco, _ = written
    for entry in coco["annotations"]:
        x, y, width, height = entry["bbox"]
        assert x >= 0 and y >= 0 and x + width <= 320 and y + height <= 180
        assert entry["area"] == width * height > 0


def test_progress_counts_to_the_end(written):
    assert written[2] == [(i, 6) for i in range(1, 7)]


def test_coco_reads_it(written):
    coco = pytest.importorskip("faster_coco_eval").COCO(written[1])
    assert len(coco.getImgIds()) == 6


def test_the_same_arguments_give_the_same_set(written, tmp_path):
    path = write_dataset(tmp_path, split="held-out", images=6, seed=3, width=320, height=180)
    assert json.loads(path.read_text()) == written[1]
    for entry in written[1]["images"]:
        assert (tmp_path / entry["file_name"]).read_bytes() == (written[0] / entry["file_name"]).read_bytes()


def test_a_folder_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="folder"):
        write_dataset(tmp_path / "file", split="train", images=1, seed=1)


def test_nine_frames_are_one_picture(tmp_path):
    nine(tmp_path / "nine.png", width=96, height=54)
    assert cv2.imread(str(tmp_path / "nine.png")).shape == (162, 288, 3)
