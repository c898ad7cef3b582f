"""A manifest for a model that came without one, from its shapes and ONNX metadata alone. Pure: no file, no session.

A detector's rows tell its family: one anchor for each cell of its strided grids is anchor-free (YOLOX, YOLOv8),
three are YOLOv5's kind. Its columns tell the number of classes, Ultralytics' metadata (names, task, imgsz) the rest.
What these leave open is an error that says what was seen and what to write, never a silent choice.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from streamd.errors import ModelError
from streamd.infer.coco import LABELS
from streamd.infer.tensors import Image, Tensor, image_of, literal, minimal_manifest, size_of
from streamd.manifest import HeadName, Input, Manifest, Output

STRIDES = ((8, 16, 32), (8, 16, 32, 64), (4, 8, 16, 32), (16, 32))
TASKS = ("detect", "classify", "obb")

# w, h in pixels by stride: YOLOv3's (Redmon and Farhadi 2018, section 2.3), kept by YOLOv5.
ANCHORS: dict[int, tuple[float, ...]] = {
    8: (10, 13, 16, 30, 33, 23),
    16: (30, 61, 62, 45, 59, 119),
    32: (116, 90, 156, 198, 373, 326),
}

# Mean and deviation of ImageNet's pixels in 0..1, which classifiers of its 1000 classes subtract and divide by.
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True, slots=True)
class _Seen:
    """All there is to go by. `names` is None where the metadata has none."""

    image: Image
    outputs: tuple[Tensor, ...]
    names: tuple[str, ...] | None
    task: str | None

    def cells(self, strides: tuple[int, ...]) -> int:
        """Return how many cells the input has in grids of these strides."""
        return sum((self.image.width // stride) * (self.image.height // stride) for stride in strides)

    def per_cell(self, rows: int) -> int:
        """Return how many rows fall on each cell of some strided grids, 1 or 3; 0 where they do not come out even."""
        for cells in map(self.cells, STRIDES):
            if cells and rows in (cells, 3 * cells):
                return rows // cells
        return 0

    def labels(self, count: int) -> tuple[str, ...]:
        """Return the labels of `count` classes."""
        if self.names is not None:
            return self.names
        return LABELS if count == len(LABELS) else tuple(f"class {index}" for index in range(count))


@dataclass(frozen=True, slots=True)
class _Found:
    """One reading of the outputs. `outputs` is in the order its head wants; `classes` is 0 where no shape tells."""

    head: HeadName
    classes: int
    outputs: tuple[Tensor, ...]
    anchors: tuple[tuple[float, ...], ...] = ()


def guess(model: Path, inputs: Sequence[Tensor], outputs: Sequence[Tensor], metadata: Mapping[str, str]) -> Manifest:
    """Guess the manifest of `model` from its tensors and its ONNX metadata. Only `model`'s name is used.

    Raises:
        ModelError: the input is no picture, or the outputs fit no head, or several.
    """
    image = image_of(model, inputs, size_of(metadata))
    task = metadata.get("task")
    if task is not None and task not in TASKS:
        raise ModelError(f"{model}: no head for the task '{task}'", mend=f"use a model for {', '.join(TASKS)}")
    seen = _Seen(image, tuple(outputs), _names(metadata), task)
    for rule in RULES:
        if readings := rule(seen):
            break
    if len(readings) != 1:
        raise _unclear(model, seen, readings)
    found = readings[0]
    return Manifest(
        head=found.head,
        labels=seen.labels(found.classes),
        input=_input(seen, found),
        outputs=tuple(Output(tensor.name, tensor.shape) for tensor in found.outputs),
        batch=image.batch,
        anchors=found.anchors,
    )


def _classify(seen: _Seen) -> tuple[_Found, ...]:
    match seen.outputs:
        case (Tensor(shape=(_, int(classes))),) if classes > 1:
            return _fitting(seen, [_Found("classify", classes, seen.outputs)])
    return ()


def _grid(seen: _Seen) -> tuple[_Found, ...]:
    # A YOLOv5 export may carry its three raw maps (rank 5) beside the decoded rows.
    dense = tuple(tensor for tensor in seen.outputs if len(tensor.shape) == 3)
    if len(dense) != 1 or any(len(tensor.shape) not in (3, 5) for tensor in seen.outputs):
        return ()
    _, rows, columns = dense[0].shape
    found = []
    if seen.per_cell(columns) == 1:  # N, 4 + classes, rows
        rotated = seen.task == "obb"
        found.append(_Found("obb" if rotated else "yolov8", rows - (5 if rotated else 4), dense))
    if seen.per_cell(rows) == 3:
        found.append(_Found("yolov5", columns - 5, dense))
    if rows == seen.cells(STRIDES[0]):
        found.append(_Found("yolox", columns - 5, dense))
        if dense[0].name == "outputs":  # as YOLOv6 names it; its rows look the same but are decoded already
            found.append(_Found("yolov6", columns - 5, dense))
    return _fitting(seen, found)


def _end2end(seen: _Seen) -> tuple[_Found, ...]:
    match seen.outputs:
        case (Tensor(shape=(_, _, 6)),):
            return (_Found("end2end", 0, seen.outputs),)
    return ()


def _rtdetr(seen: _Seen) -> tuple[_Found, ...]:
    match seen.outputs:
        case (Tensor(shape=(_, _, int(columns))),) if seen.names and columns == 4 + len(seen.names):
            return (_Found("rtdetr", len(seen.names), seen.outputs),)
    return ()


def _efficient_nms(seen: _Seen) -> tuple[_Found, ...]:
    if sorted(len(tensor.shape) for tensor in seen.outputs) != [2, 2, 2, 3]:
        return ()
    boxes = next(tensor for tensor in seen.outputs if len(tensor.shape) == 3)
    flat = [tensor for tensor in seen.outputs if len(tensor.shape) == 2]
    whole = [tensor for tensor in flat if tensor.dtype.startswith("int")]
    scores = [tensor for tensor in flat if tensor.dtype.startswith("float")]
    if boxes.shape[2] != 4 or len(whole) != 2 or len(scores) != 1:
        return ()
    if whole[0].shape[1] != 1:
        whole.reverse()
    counts, classes = whole
    if counts.shape[1] != 1 or classes.shape[1] != scores[0].shape[1]:
        return ()
    return (_Found("efficient_nms", 0, (counts, boxes, scores[0], classes)),)


def _raw(seen: _Seen) -> tuple[_Found, ...]:
    levels = [_level(seen, tensor) for tensor in seen.outputs]
    if sorted(stride for stride, _, _ in levels) != sorted(ANCHORS) or len({level[1:] for level in levels}) != 1:
        return ()
    _, head, classes = levels[0]
    return _fitting(seen, [_Found(head, classes, seen.outputs, tuple(ANCHORS[stride] for stride, _, _ in levels))])


def _level(seen: _Seen, tensor: Tensor) -> tuple[int, HeadName, int]:
    """Read one feature map as (stride, head, classes); stride 0 where it is none."""
    head: HeadName
    match tensor.shape:
        case (_, int(channels), int(height), int(width)) if channels % 3 == 0:
            head, classes = "yolov3", channels // 3 - 5
            # Three anchors go into many numbers by chance: without 5 named or COCO's classes it is no evidence.
            known = classes == len(LABELS if seen.names is None else seen.names)
        case (_, 3, int(height), int(width), int(columns)):
            head, classes, known = "yolov5", columns - 5, True
        case _:
            return 0, "yolov3", 0
    stride = seen.image.height // height if known and height > 0 else 0
    return (stride if seen.image.width == width * stride else 0), head, classes


RULES: tuple[Callable[[_Seen], tuple[_Found, ...]], ...] = (
    _classify,
    _grid,
    _end2end,
    _rtdetr,
    _efficient_nms,
    _raw,
)


def _fitting(seen: _Seen, found: list[_Found]) -> tuple[_Found, ...]:
    wanted = None if seen.names is None else len(seen.names)
    return tuple(one for one in found if one.classes > 0 and wanted in (None, one.classes))


def _names(metadata: Mapping[str, str]) -> tuple[str, ...] | None:
    """Read Ultralytics' `names`: a Python literal, {0: 'person', ...} or ['person', ...]."""
    value = literal(metadata.get("names", ""))
    if isinstance(value, dict) and set(value) == set(range(len(value))):
        value = [value[index] for index in range(len(value))]
    if isinstance(value, list | tuple) and value:
        return tuple(str(name) for name in value)
    return None


def _input(seen: _Seen, found: _Found) -> Input:
    image = seen.image
    sums: dict[str, Any] = {"colour": "rgb", "scale": 1 / 255, "fit": "letterbox", "anchor": "center"}
    if found.head == "yolox":
        sums |= {"colour": "bgr", "scale": 1.0, "anchor": "top-left"}
    elif found.head == "classify":
        sums |= {"fit": "crop"}
        if seen.task is None and found.classes == 1000 and image.channels == 3 and image.dtype != "uint8":
            sums |= {"mean": IMAGENET_MEAN, "std": IMAGENET_STD}
    if image.channels == 1:
        sums |= {"colour": "gray"}
    if image.dtype == "uint8":
        sums |= {"scale": 1.0}
    return msgspec.convert(
        {"name": image.name, "width": image.width, "height": image.height, "dtype": image.dtype} | sums, Input
    )


def _unclear(model: Path, seen: _Seen, readings: Sequence[_Found]) -> ModelError:
    heads = " or ".join(found.head for found in readings)
    outputs = ", ".join(map(str, seen.outputs)) or "none"
    named = f", {len(seen.names)} names" if seen.names else ""
    verdict = f"may be {heads}" if heads else "fit no known head"
    return ModelError(
        f"{model}: its outputs ({outputs}; input {seen.image.width}x{seen.image.height}{named}) {verdict}",
        mend=minimal_manifest(model, seen.image),
    )
