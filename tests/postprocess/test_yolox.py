import av
import numpy as np
import onnxruntime
import pytest

from streamd.errors import ModelError
from streamd.frames import Picture
from streamd.letterbox import Letterbox
from streamd.manifest import Input, Manifest
from streamd.postprocess import HEADS
from streamd.postprocess.boxes import iou
from streamd.preprocess.host import HostPreprocess

BOX = [100, 50, 300, 250]
FIRST_ROW = {8: 0, 16: 6400, 32: 8000}  # at 640 x 640


def place(output, batch, stride, centre, objectness, scores):
    x, y, width, height = centre
    column, row = int(x // stride), int(y // stride)
    at = FIRST_ROW[stride] + row * (640 // stride) + column
    place = (x / stride - column, y / stride - row, np.log(width / stride), np.log(height / stride))
    output[batch, at] = (*place, objectness, *scores)


@pytest.mark.parametrize("stride", [8, 16, 32])
def test_a_box_comes_back_from_any_stride(manifest, geometries, centred, found, stride):
    output = np.zeros((2, 8400, 8), np.float32)
    place(output, 0, stride, centred(geometries[0], BOX), 0.9, (0.1, 0.8, 0))
    place(output, 1, stride, centred(geometries[1], BOX), 0.7, (0.9, 0.8, 0))
    wide, tall = HEADS["yolox"](manifest("yolox"))([output], geometries)
    found(wide, (1, 0.72, BOX))
    found(tall, (0, 0.63, BOX))


def test_nothing_found_is_empty_arrays(manifest, geometries, found):
    for detections in HEADS["yolox"](manifest("yolox"))([np.zeros((2, 8400, 8), np.float32)], geometries):
        found(detections)


@pytest.mark.filterwarnings("error")
def test_an_absurd_size_is_dropped(manifest, geometries):
    output = np.full((1, 8400, 8), 1e4, np.float32)
    assert len(HEADS["yolox"](manifest("yolox"))([output], geometries[:1])[0]) == 0


def test_a_wide_input_has_a_wide_grid():
    head = HEADS["yolox"](Manifest("yolox", ("a",), Input("i", 64, 32)))
    output = np.zeros((1, 42, 6), np.float32)
    output[0, 8 * 4 + 4 + 1] = (0.5, 0.5, 0, 0, 1, 1)  # stride 16, row 1, column 1
    assert head([output], [Letterbox.place(64, 32, 64, 32)])[0].boxes.tolist() == [[16, 16, 32, 32]]


def test_another_number_of_rows_is_named(manifest, geometries):
    with pytest.raises(ModelError, match=r"reads one \(N, 8400, 5 \+ 3\); the model gave float32 \(1, 3549, 8\)"):
        HEADS["yolox"](manifest("yolox"))([np.zeros((1, 3549, 8), np.float32)], geometries[:1])


@pytest.fixture(scope="module")
def bottles(real):
    """Frame 200 of the bottle clip through YOLOX-Nano."""
    with av.open(str(real / "bottle-detection.mp4")) as container:
        frame = next(frame for number, frame in enumerate(container.decode(video=0)) if number == 200)
    planes = (np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[:, : plane.width] for plane in frame.planes)
    spec = Input("images", 416, 416, colour="bgr", scale=1, anchor="top-left")
    row = np.empty((1, 3, 416, 416), np.float32)
    geometry = HostPreprocess(spec)(Picture(*planes), row[0])
    session = onnxruntime.InferenceSession(real / "yolox_nano.onnx", providers=["CPUExecutionProvider"])
    head = HEADS["yolox"](Manifest("yolox", tuple(map(str, range(80))), spec))
    return head(session.run(None, {"images": row}), [geometry])[0]


def test_the_two_bottles_are_found(bottles):
    known = np.array([[286, 109, 343, 315], [508, 105, 569, 318]], np.float32)
    best = iou(known, bottles.boxes[bottles.class_ids == 39])
    assert (best.max(axis=1) >= 0.9).all()


def test_the_two_bottles_are_the_best_answers(bottles):
    assert bottles.class_ids[:2].tolist() == [39, 39]
    np.testing.assert_allclose(bottles.scores[:2], (0.93, 0.92), atol=0.02)
