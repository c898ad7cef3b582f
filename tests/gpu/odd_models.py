"""Models whose runs cannot be CUDA graphs: with NMS within, whose output is as long as what is found, and the like.

Each reads a picture (1, 3, SIDE, SIDE): the first four values of a row of its first channel are a box, centre and
size, and the first of the second channel is its score.
"""

import numpy as np

from tests.gpu.tiny_onnx import model, node

SIDE = 32
ROWS = 16  # that are read
INPUT = {"images": (1, 3, SIDE, SIDE)}


def whole(values):
    return np.array(values, np.int64)


def suppressed(boxes, scores, free, most=100):
    """Nodes and constants of NMS on boxes (1, N, 4), centre and size, and scores (1, C, N), up to `free` (1, k, 6)."""
    nodes = [
        node("NonMaxSuppression", [boxes, scores, "nms_most", "nms_iou", "nms_score"], ["nms"], center_point_box=1),
        node("Gather", ["nms", "nms_012"], ["nms_at"], axis=1),
        node("GatherND", [scores, "nms_at"], ["nms_scores"]),
        node("Gather", ["nms", "nms_02"], ["nms_rows"], axis=1),
        node("GatherND", [boxes, "nms_rows"], ["nms_boxes"]),
        node("Gather", ["nms_boxes", "nms_01"], ["nms_centre"], axis=1),
        node("Gather", ["nms_boxes", "nms_23"], ["nms_size"], axis=1),
        node("Mul", ["nms_size", "nms_half"], ["nms_halves"]),
        node("Sub", ["nms_centre", "nms_halves"], ["nms_low"]),
        node("Add", ["nms_centre", "nms_halves"], ["nms_high"]),
        node("Gather", ["nms", "nms_1"], ["nms_class"], axis=1),
        node("Cast", ["nms_class"], ["nms_classes"], to=1),
        node("Unsqueeze", ["nms_scores", "nms_1"], ["nms_column"]),
        node("Concat", ["nms_low", "nms_high", "nms_column", "nms_classes"], ["nms_found"], axis=1),
        node("Unsqueeze", ["nms_found", "nms_0"], [free]),
    ]
    constants = {
        "nms_most": whole([most]), "nms_iou": np.float32([0.45]), "nms_score": np.float32([0.25]),
        "nms_012": whole([0, 1, 2]), "nms_02": whole([0, 2]), "nms_01": whole([0, 1]), "nms_23": whole([2, 3]),
        "nms_0": whole([0]), "nms_1": whole([1]), "nms_half": np.float32(0.5),
    }  # fmt: skip
    return nodes, constants


def _read():
    nodes = [
        node("Slice", ["images", "box_from", "box_to", "axes"], ["four"]),
        node("Squeeze", ["four", "nms_1"], ["boxes"]),
        node("Slice", ["images", "score_from", "score_to", "axes"], ["one"]),
        node("Reshape", ["one", "score_shape"], ["scores"]),
    ]
    constants = {
        "axes": whole([1, 2, 3]), "box_from": whole([0, 0, 0]), "box_to": whole([1, ROWS, 4]),
        "score_from": whole([1, 0, 0]), "score_to": whole([2, ROWS, 1]), "score_shape": whole([1, 1, ROWS]),
    }  # fmt: skip
    return nodes, constants


def nms():
    """An output (1, found, 6)."""
    (read, given), (found, more) = _read(), suppressed("boxes", "scores", "found")
    return model([*read, *found], INPUT, {"found": (1, "k", 6)}, given | more)


def padded():
    """The same, filled up with zeros: an output (1, ROWS, 6) of known size, from an operator that waits for the GPU."""
    (read, given), (found, more) = _read(), suppressed("boxes", "scores", "few")
    fill = [
        node("Shape", ["few"], ["sides"]),
        node("Sub", ["all", "sides"], ["missing"]),
        node("Concat", ["zeros", "missing"], ["pads"], axis=0),
        node("Pad", ["few", "pads"], ["loose"]),
        node("Reshape", ["loose", "all"], ["found"]),
    ]
    constants = given | more | {"all": whole([1, ROWS, 6]), "zeros": whole([0, 0, 0])}
    return model([*read, *found, *fill], INPUT, {"found": (1, ROWS, 6)}, constants)


def on_the_host():
    """Rows of end2end by way of Det, which only the CPU has: a graph would keep what it once gave."""
    nodes = [
        node("Det", ["images"], ["dets"]),
        node("Slice", ["images", "from", "to", "axes"], ["six"]),
        node("Squeeze", ["six", "one"], ["rows"]),
        node("ReduceMax", ["dets"], ["det"], axes=[1], keepdims=1),
        node("Unsqueeze", ["det", "one"], ["shift"]),
        node("Add", ["rows", "shift"], ["found"]),
    ]
    constants = {"axes": whole([1, 2, 3]), "from": whole([0, 0, 0]), "to": whole([1, ROWS, 6]), "one": whole([1])}
    return model(nodes, INPUT, {"found": (1, ROWS, 6)}, constants)


def picture(rng):
    """A picture of the small models: some boxes overlap, some score too low."""
    made = rng.random((1, 3, SIDE, SIDE), np.float32)
    made[0, 0, :ROWS, :2] = rng.integers(0, 4, (ROWS, 2)) * 40 + rng.random((ROWS, 2)) * 4
    made[0, 0, :ROWS, 2:4] = 30
    return made


ODD = {"nms": nms, "padded": padded, "host": on_the_host}
