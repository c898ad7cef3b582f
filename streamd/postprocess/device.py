"""Heads on the GPU: decode, threshold and NMS where the outputs are, and only what is found comes back.

They give what the head of the same name gives on the host (kernels/decode_*.cu, nms*.cu name their references).
A layout without kernels here is read on the host, from a copy of all outputs.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Unpack

import numpy as np

from streamd.errors import ModelError
from streamd.frames import F32, Detections
from streamd.gpu import detect
from streamd.gpu.arrays import DeviceArray, Stream
from streamd.gpu.detect import Wanted, Workspace
from streamd.gpu.device import Gpu
from streamd.gpu.graph import record
from streamd.gpu.kernels import Kernels
from streamd.gpu.layouts import FOUND, GEOMETRY, geometry_row
from streamd.gpu.timeline import Timeline
from streamd.letterbox import Letterbox
from streamd.manifest import HeadName, Manifest
from streamd.postprocess.obb import to_source
from streamd.postprocess.select import Options, select, unwarned
from streamd.postprocess.yolox import STRIDES

Decode = Callable[[Kernels, DeviceArray, int, Wanted, Workspace, Stream], None]


class DeviceHead:
    """Reads the slots of one model. One thread at a time."""

    def __init__(
        self,
        gpu: Gpu,
        timeline: Timeline,
        manifest: Manifest,
        outputs: Sequence[Mapping[str, DeviceArray]],
        **options: Unpack[Options],
    ) -> None:
        """`outputs` are those of each slot, by name; the manifest's head is in DEVICE_HEADS.

        Raises:
            ModelError: the output has a shape that the manifest does not allow.
        """
        self._gpu = gpu
        self._timeline = timeline
        self._values = [held[manifest.outputs[0].name] for held in outputs]
        self._selection = select(manifest, **options)
        self._decode = DEVICE_HEADS[manifest.head]
        self._rotated = manifest.head == "obb"
        batch, rows, classes = _sides(manifest, self._values[0])
        xp = _Zeros(gpu)
        self._work = Workspace.make(xp, batch, rows, self._selection.max_detections, rotated=self._rotated)
        sides = (manifest.input.width, manifest.input.height)
        self._wanted = Wanted(self._selection.confidence, self._bits(classes), sides)
        self._places = gpu.pinned((batch * GEOMETRY.itemsize,), np.uint8)
        self._geometries = gpu.zeros((batch * GEOMETRY.itemsize,), np.uint8)
        self._found = gpu.pinned(self._work.found.shape, np.uint8)
        size = batch * self._work.limit * FOUND.itemsize
        self._rows = self._found[:size].view(FOUND).reshape(batch, self._work.limit)
        self._counts = self._found[size:].view(np.int32)
        self._launches = [self._prepare(slot) for slot in range(len(outputs))]
        self._placed: Sequence[Letterbox] = ()  # what the first rows of `_places` hold

    def __call__(self, slot: int, geometries: Sequence[Letterbox]) -> list[Detections]:
        """Return one `Detections` a geometry, in source pixels; waits for them."""
        if self._placed != geometries:  # as they are from run to run where cameras are of one size
            self._places.view(GEOMETRY)[: len(geometries)] = [geometry_row(place) for place in geometries]
            self._placed = tuple(geometries)
        with self._timeline.reading(slot):
            self._launches[slot]()
        self._timeline.wait(slot)
        return self._told(geometries)

    def _prepare(self, slot: int) -> Callable[[], None]:
        """Read a slot once, and return what reads it again: a CUDA graph, one call in place of five.

        All rows are read, whatever they hold: a graph's launches are of one size, and what a run has not filled costs
        microseconds and is not told.
        """
        self._places.view(GEOMETRY)[:] = geometry_row(Letterbox.place(1, 1, 1, 1))
        with self._timeline.reading(slot) as stream:
            return record(self._gpu, partial(self._read, slot, stream), stream, "head")

    def _read(self, slot: int, stream: Stream) -> None:
        gpu, work = self._gpu, self._work
        count = work.scores.shape[0]
        suppress = detect.nms_rotated if self._rotated else detect.nms
        gpu.upload(self._places, self._geometries, stream)
        self._decode(gpu.kernels, self._values[slot], count, self._wanted, work, stream)
        suppress(gpu.kernels, work, count, self._geometries, self._selection.iou, stream)
        gpu.download(work.found, self._found, stream)

    def _told(self, places: Sequence[Letterbox]) -> list[Detections]:
        """Return what was found, in memory of its own: the next run's is written where this was."""
        counts = self._counts[: len(places)].tolist()
        rows = self._rows[: len(places), : max(counts)]
        boxes, scores, class_ids = rows["box"].copy(), rows["score"].copy(), rows["class_id"].copy()
        angles = rows["angle"].copy() if self._rotated else None
        found = []
        for row, (count, place) in enumerate(zip(counts, places, strict=True)):
            box, angle = boxes[row, :count], None
            if angles is not None:
                box, angle = _turned(box, angles[row, :count], place)
            found.append(Detections(box, scores[row, :count], class_ids[row, :count], angle))
        return found

    def _bits(self, classes: int) -> DeviceArray | None:
        """Return the wanted classes as bits on the device; None for all of them."""
        if self._selection.classes is None:
            return None
        words = self._gpu.pinned((-(-classes // 32),), np.uint32)
        words[:] = 0
        for class_id in self._selection.classes:
            words[class_id // 32] |= np.uint32(1 << class_id % 32)
        bits, stream = self._gpu.zeros(words.shape, np.uint32), self._gpu.stream()
        with self._gpu.active():
            self._gpu.upload(words, bits, stream)
            stream.synchronize()
        return bits


class _Zeros:
    """What a workspace is allocated with."""

    def __init__(self, gpu: Gpu) -> None:
        self._gpu = gpu

    def zeros(self, shape: int | tuple[int, ...], dtype: type[np.generic]) -> DeviceArray:
        """Make an array of zeros."""
        return self._gpu.zeros(shape if isinstance(shape, tuple) else (shape,), dtype)


DEVICE_HEADS: dict[HeadName, Decode] = {
    "yolov5": detect.decode_yolov5,
    "yolov6": detect.decode_yolov5,
    "yolov8": detect.decode_yolov8,
    "yolox": detect.decode_yolox,
    "obb": detect.decode_obb,
}


@unwarned
def _turned(boxes: F32, angles: F32, place: Letterbox) -> tuple[F32, F32]:
    return to_source(boxes, angles, place)


def readable(manifest: Manifest, outputs: Sequence[Mapping[str, DeviceArray]]) -> bool:
    """Tell whether a head here reads such outputs: one decoded tensor of floats, in a buffer of known shape."""
    if manifest.head not in DEVICE_HEADS or len(manifest.outputs) != 1:
        return False
    values = outputs[0].get(manifest.outputs[0].name)
    return values is not None and len(values.shape) == 3 and values.dtype in (np.float32, np.float16)


def _sides(manifest: Manifest, values: DeviceArray) -> tuple[int, int, int]:
    """Return batch, rows and classes of an output."""
    before = {"yolov8": 4, "obb": 5}.get(manifest.head)
    batch, rows, width = values.shape if before is None else (values.shape[0], values.shape[2], values.shape[1])
    classes, labels, image = width - (5 if before is None else before), len(manifest.labels), manifest.input
    cells = sum((image.width // stride) * (image.height // stride) for stride in STRIDES)
    if classes < 1 or (labels and classes != labels) or (manifest.head == "yolox" and rows != cells):
        raise ModelError(
            f"head {manifest.head} with {labels} labels cannot read {values.dtype} {values.shape}",
            mend="correct the head or the labels in the manifest",
        )
    return batch, rows, classes
