"""Why the fast path's rounding is harmless: on real video it gives the detections that the reference gives."""

import av
import numpy as np
import onnxruntime
import pytest

from streamd.frames import Picture
from streamd.manifest import Input, Manifest
from streamd.postprocess import HEADS
from streamd.postprocess.boxes import iou
from streamd.preprocess.host import HostPreprocess
from streamd.preprocess.reference import preprocess

SPEC = Input("images", 416, 416, colour="bgr", scale=1, anchor="top-left")
EVERY = 60  # frames


@pytest.fixture(scope="module")
def answers(real):
    """Pairs of detections (fast, reference) on both clips."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(real / "yolox_nano.onnx", options, providers=["CPUExecutionProvider"])
    head = HEADS["yolox"](Manifest("yolox", tuple(map(str, range(80))), SPEC), confidence=0.2)
    host, row = HostPreprocess(SPEC), np.empty((1, 3, 416, 416), np.float32)
    pairs = []
    for clip in ("bottle-detection.mp4", "car-detection.mp4"):
        for picture in pictures(real / clip):
            geometry = host(picture, row[0])
            exact, _ = preprocess(picture, SPEC)
            runs = (session.run(None, {"images": tensor}) for tensor in (row, exact[None]))
            pairs.append([head(outputs, [geometry])[0] for outputs in runs])
    return pairs


def pictures(path):
    with av.open(str(path)) as container:
        for number, frame in enumerate(container.decode(video=0)):
            if number % EVERY == 0:
                planes = ((plane, plane.width) for plane in frame.planes)
                yield Picture(
                    *(np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[:, :w] for plane, w in planes)
                )


def matched(of, among, sure=0.25):
    """Return how many sure detections there are, and how many `among` has too, at IoU 0.9 and of the same class."""
    certain = of.scores >= sure
    alike = iou(of.boxes[certain], among.boxes) >= 0.9
    alike &= np.equal.outer(of.class_ids[certain], among.class_ids)
    return certain.sum(), alike.any(axis=1).sum()


@pytest.mark.parametrize("direction", [1, -1])
def test_detections_agree(answers, direction):
    counts = np.array([matched(*pair[::direction]) for pair in answers])
    total, same = counts.sum(axis=0)
    assert total > 30
    assert same >= 0.995 * total


def test_scores_agree(answers):
    for fast, exact in answers:
        if len(fast) and len(exact):
            assert abs(fast.scores[0] - exact.scores[0]) < 0.02
