"""A head on the device tells what the head of its name tells on the host."""

import numpy as np
import pytest

from streamd.errors import ModelError
from streamd.gpu.timeline import Timeline
from streamd.letterbox import Letterbox
from streamd.manifest import Input, Manifest, Output
from streamd.postprocess import HEADS, DeviceHead, readable

PLACES = [Letterbox.place(64, 48, 64, 64), Letterbox.place(100, 130, 64, 64), Letterbox.place(30, 30, 64, 64)]
CELLS = 8 * 8 + 4 * 4 + 2 * 2
SHAPES = {
    "yolov8": (3, 7, CELLS),
    "obb": (3, 8, CELLS),
    "yolov5": (3, CELLS, 8),
    "yolov6": (3, CELLS, 8),
    "yolox": (3, CELLS, 8),
}


def manifest(head, labels=("person", "car", "dog")):
    return Manifest(head, labels, Input("images", 64, 64), (Output("out", SHAPES[head]),))


def values(head, dtype, rng):
    """Boxes all over the input, few of them sure."""
    made = rng.random(SHAPES[head]).astype(np.float32) ** 3
    boxes = (slice(None), slice(0, 4)) if head in ("yolov8", "obb") else (slice(None), slice(None), slice(0, 4))
    made[boxes] = rng.random(made[boxes].shape) * (2 if head == "yolox" else 64)
    return made.astype(dtype)


@pytest.mark.parametrize("head", SHAPES)
@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_it_finds_what_the_host_finds(host_gpu, head, dtype):
    rng = np.random.default_rng(0)
    slots = [{"out": values(head, dtype, rng)} for _ in range(2)]
    options = {"confidence": 0.3, "iou": 0.45, "max_detections": 20, "classes": frozenset({0, 2})}
    device = DeviceHead(host_gpu, Timeline(host_gpu, 2), manifest(head), slots, **options)
    host = HEADS[head](manifest(head), **options)
    for slot, count in ((0, 3), (1, 2), (0, 1)):
        wanted = host([slots[slot]["out"][:count]], PLACES[:count])
        found = device(slot, PLACES[:count])
        assert sum(map(len, wanted))
        for one, other in zip(found, wanted, strict=True):
            np.testing.assert_array_equal(one.class_ids, other.class_ids)
            np.testing.assert_array_equal(one.scores, other.scores)
            np.testing.assert_allclose(one.boxes, other.boxes, rtol=1e-5, atol=1e-4)
            assert (one.angles is None) == (other.angles is None)


def test_what_it_told_outlives_the_next_run(host_gpu):
    slots = [{"out": values("yolov8", np.float32, np.random.default_rng(1))}]
    device = DeviceHead(host_gpu, Timeline(host_gpu, 1), manifest("yolov8"), slots, confidence=0.3)
    (first,) = device(0, PLACES[:1])
    kept = first.boxes.copy()
    slots[0]["out"][:] = 0
    (second,) = device(0, PLACES[:1])
    assert len(first) and not len(second)
    np.testing.assert_array_equal(first.boxes, kept)


@pytest.mark.parametrize(
    ("head", "shape", "dtype", "there"),
    [
        ("yolov8", (1, 7, 84), np.float32, True),
        ("yolov8", (1, 7, 84), np.float64, False),
        ("yolov5", (1, 3, 8, 8, 8), np.float32, False),  # raw maps
        ("end2end", (1, 300, 6), np.float32, False),
    ],
)
def test_what_it_cannot_read_is_left_to_the_host(head, shape, dtype, there):
    described = Manifest(head, ("a", "b", "c"), Input("images", 64, 64), (Output("out", shape),))
    assert readable(described, [{"out": np.zeros(shape, dtype)}]) is there


def test_an_output_without_a_buffer_is_left_to_the_host():
    assert not readable(manifest("yolov8"), [{}])


@pytest.mark.parametrize("head", SHAPES)
def test_labels_that_are_not_the_outputs_are_refused(host_gpu, head):
    slots = [{"out": np.zeros(SHAPES[head], np.float32)}]
    with pytest.raises(ModelError, match=f"head {head} with 2 labels cannot read float32 .*; correct the head"):
        DeviceHead(host_gpu, Timeline(host_gpu, 1), manifest(head, ("a", "b")), slots)


@pytest.mark.filterwarnings("error")
def test_boxes_too_large_to_scale_are_told_without_a_warning(host_gpu):
    made = values("obb", np.float32, np.random.default_rng(2))
    made[:, 2] = 1e38
    place = Letterbox.place(16384, 16384, 64, 64)
    options = {"confidence": 0.3, "iou": 0.45}
    device = DeviceHead(host_gpu, Timeline(host_gpu, 1), manifest("obb"), [{"out": made}], **options)
    (found,), (wanted,) = device(0, [place]), HEADS["obb"](manifest("obb"), **options)([made[:1]], [place])
    assert len(found)
    np.testing.assert_array_equal(found.boxes, wanted.boxes)
