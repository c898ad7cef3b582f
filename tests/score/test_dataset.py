import pytest

from streamd.errors import DataError
from streamd.score.dataset import read


def test_coco(coco):
    found = read(coco())
    assert (found.kind, found.labels) == ("detect", ("person", "car"))
    assert [truth.path.name for truth in found.truths] == ["a.png", "b.png"]
    assert found.truths[0].boxes.tolist() == [[10, 20, 40, 28], [0, 0, 4, 4]]
    assert found.truths[0].class_ids.tolist() == [1, 0]
    assert found.truths[0].crowd.tolist() == [False, True]
    assert found.truths[1].boxes.shape == (0, 4)


def test_yolo(yolo):
    found = read(yolo())
    assert (found.kind, found.labels) == ("detect", ("person", "car"))
    assert found.truths[0].within(64, 48).boxes.tolist() == [[16, 18, 48, 30]]
    assert found.truths[0].class_ids.tolist() == [1]
    assert found.truths[1].boxes.shape == (0, 4)


@pytest.mark.parametrize("about", ["names: {0: person, 1: car}\n", "names: [person, car]\npath: .\nval: images\n"])
def test_yolo_names_and_folders(yolo, about):
    assert read(yolo(about=about)).labels == ("person", "car")


def test_yolo_with_classes_txt(yolo):
    assert read(yolo(about="person\ncar\n\n", name="classes.txt")).labels == ("person", "car")


def test_yolo_prefers_the_split_for_validation(yolo, tmp_path):
    folder = yolo(about="names: [person, car]\ntrain: images\nval: val/images\n")
    (folder / "val" / "images").mkdir(parents=True)
    (folder / "val" / "labels").mkdir()
    (folder / "val" / "images" / "z.png").write_bytes((folder / "images" / "a.png").read_bytes())
    (folder / "val" / "labels" / "z.txt").write_text("0 .5 .5 .1 .1\n")
    assert [truth.path.name for truth in read(folder).truths] == ["z.png"]


def test_folders(classes):
    found = read(classes)
    assert (found.kind, found.labels) == ("classify", ("bright", "dark"))
    assert [truth.class_ids.tolist() for truth in found.truths] == [[0], [1], [1]]


def test_a_class_may_be_called_labels(classes):
    (classes / "dark").rename(classes / "labels")
    assert read(classes).labels == ("bright", "labels")
    (classes / "bright").rename(classes / "images")
    assert read(classes).labels == ("images", "labels")


def test_folders_that_differ_in_capitals_alone_are_refused(classes):
    (classes / "bright").rename(classes / "DARK")
    with pytest.raises(DataError, match="classes 0 and 1 are both called 'dark'"):
        read(classes)


def test_a_limit_spreads_over_the_set(classes):
    assert [truth.path.name for truth in read(classes).spread(2).truths] == ["c.png", "b.png"]


def test_no_limit(classes):
    assert len(read(classes).spread(0).truths) == 3


def test_a_picture_of_another_size_than_its_labels(coco):
    with pytest.raises(DataError, match=r"a\.png: the picture is 32x48, its labels are of 64x48"):
        read(coco()).truths[0].within(32, 48)


def test_no_folder(tmp_path):
    with pytest.raises(DataError, match="gone: no such folder"):
        read(tmp_path / "gone")


def test_an_empty_folder(tmp_path):
    with pytest.raises(DataError, match=r"no data set in a layout that streamd reads; give it annotations\.json"):
        read(tmp_path)


def test_pictures_without_labels_are_no_class_called_images(yolo):
    folder = yolo(about=None)
    (folder / "labels" / "a.txt").unlink()
    (folder / "labels").rmdir()
    with pytest.raises(DataError, match="no data set in a layout"):
        read(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda file: file["annotations"][0].update(category_id=4), r"annotations\[0\]: category 4 is not listed"),
        (lambda file: file["annotations"][1].update(image_id=4), r"annotations\[1\]: is of image 4"),
        (lambda file: file["annotations"][0].update(bbox=[1, 2, -3, 4]), r"annotations\[0\]: bbox .* is inside out"),
        (
            lambda file: file["annotations"][0].update(bbox=[-9, 2, 12, 4]),
            r"annotations\[0\]: bbox .* leaves the picture",
        ),
        (lambda file: file["annotations"][0].update(bbox=[60, 2, 9, 4]), "leaves the picture of 64x48; write x, y"),
        (
            lambda file: file["annotations"][1].update(bbox=[0, 45, 4, 9]),
            r"annotations\[1\]: bbox .* leaves the picture",
        ),
        (lambda file: file["categories"][0].update(name=" CAR"), "classes 0 and 1 are both called 'car'; give each"),
        (lambda file: file["annotations"][0].update(bbox=[1, 2, 3]), "Expected `array` of length 4"),
        (lambda file: file["annotations"][0].update(bbox=["a"] * 4), "Expected `float`, got `str`"),
        (lambda file: file["images"][0].update(file_name="gone.png"), r"image gone\.png is not there; put it in"),
        (lambda file: file["images"][0].update(file_name="x" * 5000), "File name too long.*name a picture to be read"),
        (lambda file: file["images"][0].update(width=0), "Expected `int` >= 1"),
        (lambda file: file["images"].append(file["images"][0]), "share an id; list each image once"),
        (lambda file: file.update(images=[], annotations=[]), "its images are none"),
        (lambda file: file.update(categories=[]), "its categories are empty"),
        (lambda file: file.pop("categories"), "missing required field `categories`"),
    ],
)
def test_faults_of_coco(coco, change, message):
    with pytest.raises(DataError, match=message) as error:
        read(coco(change))
    assert "annotations.json" in str(error.value) or "both called" in message


def test_a_box_may_reach_a_hundredth_past_the_edge(coco):
    found = read(coco(lambda file: file["annotations"][0].update(bbox=[-0.5, 0, 65, 48.4])))
    assert found.truths[0].boxes[0].tolist() == pytest.approx([-0.5, 0, 64.5, 48.4])


def test_a_category_that_nothing_is_of_does_not_share_a_name(coco):
    found = read(coco(lambda file: file["categories"].insert(0, {"id": 0, "name": "car"})))
    assert found.labels == ("person", "car")
    assert found.truths[0].class_ids.tolist() == [1, 0]


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff", b"[" * 100_000])
def test_annotations_that_are_none(tmp_path, content):
    (tmp_path / "annotations.json").write_bytes(content)
    with pytest.raises(DataError, match=r"annotations\.json: "):
        read(tmp_path)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("1 0.5 0.5 0.5", r"a\.txt:1: 4 numbers, a box has 5"),
        ("0 .5 .5 .1 .1\n\n2 0.5 0.5 0.5 0.25", r"a\.txt:3: class 2, there are 2 names"),
        ("-1 0.5 0.5 0.5 0.25", "class -1"),
        ("0.5 0.5 0.5 0.5 0.25", "class 0.5"),
        ("nan 0.5 0.5 0.5 0.25", "class nan"),
        ("1 32 24 20 10", "leaves the picture; write centre and size as parts of the picture"),
        ("1 0.5 nan 0.5 0.25", "leaves the picture"),
        ("1 0.5 0.5 -0.5 0.25", "has no size"),
        ("car 0.5 0.5 0.5 0.25", "is not five numbers"),
    ],
)
def test_faults_of_yolo_lines(yolo, line, message):
    with pytest.raises(DataError, match=message):
        read(yolo(line))


@pytest.mark.parametrize(
    ("about", "message"),
    [
        ("names: 3\n", "names 3; write a list"),
        ("names: [person, Person]\n", "classes 0 and 1 are both called 'Person'"),
        ("names: {1: person}\n", "write a list, or one number a name from 0"),
        ("names: [person, car]\nval: gone\n", "gone: no such folder of pictures"),
        ("names: [", r"data\.yaml: while parsing"),
        ("- names\n", "it holds no keys"),
        ("val: images\n", "its classes have no names"),
    ],
)
def test_faults_of_data_yaml(yolo, about, message):
    with pytest.raises(DataError, match=message):
        read(yolo(about=about))


def test_yolo_without_a_single_label_file(yolo):
    folder = yolo()
    (folder / "labels" / "a.txt").unlink()
    with pytest.raises(DataError, match="nor for any other picture"):
        read(folder)
