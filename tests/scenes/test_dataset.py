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


def draw(out, images, seed=0):
    write_dataset(out, split="train", images=images, seed=seed, width=64, height=64)
    listed = json.loads((out / "annotations.json").read_text())["images"]
    return sorted(entry["file_name"] for entry in listed)


def there(out):
    return sorted(path.relative_to(out).as_posix() for path in out.rglob("*.jpg"))


def test_a_smaller_set_leaves_nothing_of_a_larger_one_and_all_that_is_the_users(tmp_path):
    draw(tmp_path, 3)
    for name in ("mine.jpg", "00000009-0.jpg"):
        (tmp_path / "images" / name).write_bytes(b"the user's")
    assert draw(tmp_path, 1) == ["images/00000000-0.jpg"]
    assert there(tmp_path) == ["images/00000000-0.jpg", "images/00000009-0.jpg", "images/mine.jpg"]
    assert {path.name for path in tmp_path.iterdir()} == {"images", "annotations.json"}


def test_another_seed_takes_the_place_of_the_set_before(tmp_path):
    draw(tmp_path, 2)
    assert draw(tmp_path, 2, seed=1) == there(tmp_path) == ["images/00001000-0.jpg", "images/00001000-1.jpg"]


@pytest.mark.parametrize(
    "text", ["", "{}", '{"info": 3, "images": 4}', '{"info": {"description": "mine"}, "images": []}']
)
def test_the_pictures_of_a_set_of_others_stay(tmp_path, text):
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "00000005-0.jpg").touch()
    (tmp_path / "annotations.json").write_text(text)
    draw(tmp_path, 1)
    assert there(tmp_path) == ["images/00000000-0.jpg", "images/00000005-0.jpg"]


def test_a_fault_while_drawing_leaves_the_older_set(tmp_path, monkeypatch):
    older = draw(tmp_path, 2)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.j*")}
    encode, calls = cv2.imencode, []

    def full(*arguments):
        calls.append(arguments)
        if len(calls) == 2:
            raise OSError(28, "No space left on device")
        return encode(*arguments)

    monkeypatch.setattr(cv2, "imencode", full)
    with pytest.raises(DataError, match="No space left on device"):
        draw(tmp_path, 3, seed=4)
    assert there(tmp_path) == older
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.j*")} == before


def test_two_seeds_never_share_a_scene(tmp_path):
    with pytest.raises(DataError, match="4001 pictures of seed 2: there are 4000; draw the others with another seed"):
        write_dataset(tmp_path / "new", split="train", images=4001, seed=2, width=64, height=64)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="folder"):
        write_dataset(tmp_path / "file", split="train", images=1, seed=1)


def test_nine_frames_are_one_picture(tmp_path):
    nine(tmp_path / "nine.png", width=96, height=54)
    assert cv2.imread(str(tmp_path / "nine.png")).shape == (162, 288, 3)
