from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamd.errors import ModelError
from streamd.infer.coco import LABELS
from streamd.infer.guess import guess
from streamd.infer.tensors import Tensor

MODEL = Path("m.onnx")
PEOPLE = {"names": "{0: 'person', 1: 'car'}"}


def image(width=640, height=640, dtype="float32", channels=3, batch=1):
    return [Tensor("images", dtype, (batch, channels, height, width))]


def floats(*shapes, name="output"):
    return [Tensor(f"{name}{index or ''}", "float32", shape) for index, shape in enumerate(shapes)]


@pytest.mark.parametrize(
    ("inputs", "outputs", "head", "labels"),
    [
        (image(), floats((1, 25200, 85)), "yolov5", 80),
        (image(1280, 1280), floats((1, 102000, 85)), "yolov5", 80),
        (image(), floats((1, 25200, 6)), "yolov5", 1),
        (image(416, 416), floats((1, 2535, 7)), "yolov5", 2),
        (image(), floats((1, 84, 8400)), "yolov8", 80),
        (image(), floats((1, 5, 8400)), "yolov8", 1),
        (image(), floats((1, 84, 34000)), "yolov8", 80),
        (image(640, 384), floats((1, 84, 5040)), "yolov8", 80),
        (image(1280, 1280), floats((1, 84, 34000)), "yolov8", 80),
        (image(416, 416), floats((1, 3549, 85)), "yolox", 80),
        (image(), floats((1, 8400, 85)), "yolox", 80),
        (image(384, 640), floats((1, 5040, 85)), "yolox", 80),
        (image(), floats((1, 8400, 6)), "yolox", 1),
        (image(), floats((1, 300, 6)), "end2end", 0),
        (image(), floats((1, 0, 6)), "end2end", 0),
        (image(224, 224), floats((1, 1000)), "classify", 1000),
        (image(416, 416), floats((1, 255, 52, 52), (1, 255, 26, 26), (1, 255, 13, 13)), "yolov3", 80),
        (image(), floats((1, 3, 80, 80, 7), (1, 3, 40, 40, 7), (1, 3, 20, 20, 7)), "yolov5", 2),
        (
            image(),
            floats((1, 25200, 85), (1, 3, 80, 80, 85), (1, 3, 40, 40, 85), (1, 3, 20, 20, 85)),
            "yolov5",
            80,
        ),
    ],
)
def test_head_and_classes_follow_from_the_shapes(inputs, outputs, head, labels):
    found = guess(MODEL, inputs, outputs, {})
    assert (found.head, len(found.labels)) == (head, labels)


def test_rows_of_no_grid_are_an_error():
    with pytest.raises(ModelError, match=r"\(output float32 1x84x8401; input 640x640\) fit no known head"):
        guess(MODEL, image(), floats((1, 84, 8401)), {})


def test_eighty_classes_without_names_are_coco():
    assert guess(MODEL, image(), floats((1, 84, 8400)), {}).labels == LABELS


def test_other_classes_without_names_are_numbered():
    assert guess(MODEL, image(), floats((1, 6, 8400)), {}).labels == ("class 0", "class 1")


@pytest.mark.parametrize("names", ["{0: 'person', 1: 'car'}", "['person', 'car']", "{1: 'car', 0: 'person'}"])
def test_names_come_from_the_metadata(names):
    assert guess(MODEL, image(), floats((1, 6, 8400)), {"names": names}).labels == ("person", "car")


@pytest.mark.parametrize("names", ["", "{", "__import__('os')", "{0: 'a', 2: 'b'}", "3", "[" * 5000, "{}"])
def test_names_that_cannot_be_read_are_numbered(names):
    assert guess(MODEL, image(), floats((1, 6, 8400)), {"names": names}).labels == ("class 0", "class 1")


def test_names_that_do_not_fit_the_columns():
    with pytest.raises(ModelError, match=r"1x84x8400; input 640x640, 2 names\) fit no known head; write m\.json"):
        guess(MODEL, image(), floats((1, 84, 8400)), PEOPLE)


def test_yolox_wants_raw_bgr_in_the_corner():
    found = guess(MODEL, image(), floats((1, 8400, 85)), {}).input
    assert (found.colour, found.scale, found.anchor, found.pad) == ("bgr", 1, "top-left", 114)


def test_yolov8_wants_rgb_of_0_to_1_in_the_centre():
    found = guess(MODEL, image(), floats((1, 84, 8400)), {}).input
    assert (found.colour, found.scale, found.anchor, found.fit) == ("rgb", 1 / 255, "center", "letterbox")


def test_a_classifier_with_a_task_wants_0_to_1_cropped():
    found = guess(MODEL, image(224, 224), floats((1, 2)), {"task": "classify"} | PEOPLE).input
    assert (found.fit, found.scale, found.mean) == ("crop", 1 / 255, (0,))


def test_a_classifier_of_1000_classes_and_no_task_wants_imagenet_statistics():
    assert guess(MODEL, image(224, 224), floats((1, 1000)), {}).input.mean == (0.485, 0.456, 0.406)


def test_one_channel_is_gray():
    assert guess(MODEL, image(channels=1), floats((1, 84, 8400)), {}).input.colour == "gray"


def test_uint8_is_not_scaled():
    assert guess(MODEL, image(dtype="uint8"), floats((1, 84, 8400)), {}).input.scale == 1


def test_open_sides_follow_imgsz():
    found = guess(MODEL, image(-1, -1, batch=-1), floats((-1, 84, 5040)), {"imgsz": "[640, 384]"})
    assert (found.input.width, found.input.height, found.batch) == (384, 640, 0)


@pytest.mark.parametrize("imgsz", ["", "640", "[640]", "[0, 640]", "['a', 2]", "[99999999, 640]"])
def test_open_sides_are_640_without_a_usable_imgsz(imgsz):
    found = guess(MODEL, image(-1, -1), floats((1, 84, 8400)), {"imgsz": imgsz}).input
    assert (found.width, found.height) == (640, 640)


def test_rows_that_two_heads_share_are_not_guessed():
    outputs = [Tensor("outputs", "float32", (1, 8400, 85))]
    with pytest.raises(ModelError, match=r"may be yolox or yolov6; write m\.json beside it") as error:
        guess(MODEL, image(), outputs, {})
    assert '"input": {"name": "images", "width": 640, "height": 640}' in str(error.value)


def test_rows_of_no_grid_with_one_column_a_name_are_rtdetr():
    assert guess(MODEL, image(), floats((1, 300, 7)), {"names": "['a', 'b', 'c']"}).head == "rtdetr"


def test_rotated_boxes_are_told_by_the_task():
    assert guess(MODEL, image(), floats((1, 7, 8400)), {"task": "obb"} | PEOPLE).head == "obb"


@pytest.mark.parametrize("task", ["segment", "pose"])
def test_a_task_without_a_head(task):
    with pytest.raises(ModelError, match=f"no head for the task '{task}'"):
        guess(MODEL, image(), floats((1, 84, 8400)), {"task": task})


def test_segmentation_without_a_task_is_not_taken_for_detection():
    with pytest.raises(ModelError, match="fit no known head"):
        guess(MODEL, image(), floats((1, 116, 8400), (1, 32, 160, 160)), {})


def test_efficient_nms_is_ordered_as_its_head_reads_it():
    outputs = [
        Tensor("classes", "int32", (1, 100)),
        Tensor("num", "int32", (1, 1)),
        Tensor("scores", "float32", (1, 100)),
        Tensor("boxes", "float32", (1, 100, 4)),
    ]
    found = guess(MODEL, image(), outputs, {})
    assert found.head == "efficient_nms"
    assert [output.name for output in found.outputs] == ["num", "boxes", "scores", "classes"]


def test_anchors_stand_in_the_order_of_the_outputs():
    found = guess(MODEL, image(416, 416), floats((1, 255, 13, 13), (1, 255, 26, 26), (1, 255, 52, 52)), {})
    assert [row[:2] for row in found.anchors] == [(116, 90), (30, 61), (10, 13)]


def test_maps_that_three_divides_by_chance_are_no_yolov3():
    with pytest.raises(ModelError, match="fit no known head"):
        guess(MODEL, image(), floats((1, 144, 80, 80), (1, 144, 40, 40), (1, 144, 20, 20)), {})


def test_no_outputs():
    with pytest.raises(ModelError, match=r"its outputs \(none;"):
        guess(MODEL, image(), [], {})


shapes = st.lists(st.integers(-1, 9000), max_size=6).map(tuple)
tensors = st.builds(Tensor, st.sampled_from(["output", "outputs"]), st.sampled_from(["float32", "int32"]), shapes)


@given(st.lists(tensors, max_size=5), st.dictionaries(st.sampled_from(["names", "task", "imgsz"]), st.text()))
def test_any_outputs_are_a_manifest_or_a_model_error(outputs, metadata):
    try:
        guess(MODEL, image(), outputs, metadata)
    except ModelError as error:
        assert "\n" not in str(error) or any("\n" in value for value in metadata.values())


@given(st.lists(st.builds(Tensor, st.just("x"), st.sampled_from(["float32", "int8"]), shapes), max_size=3))
def test_any_inputs_are_a_manifest_or_a_model_error(inputs):
    try:
        guess(MODEL, inputs, floats((1, 84, 8400)), {})
    except ModelError:
        return
    assert len(inputs) == 1
