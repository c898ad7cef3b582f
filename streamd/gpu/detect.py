"""From a model's raw output to the few detections, on the device: decode, then suppress. One function a kernel.

`Workspace` owns the memory between the two, made once for a model; nothing else here allocates.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from streamd.gpu.arrays import Argument, DeviceArray, Stream, check
from streamd.gpu.kernels import Kernels
from streamd.gpu.layouts import FOUND, GEOMETRY
from streamd.gpu.ops import FLOATS, SUFFIX

DECODE_BLOCK = 128
SUPPRESS_BLOCK = 1024


class Arrays(Protocol):
    """A module of arrays: cupy."""

    def zeros(self, shape: int | tuple[int, ...], dtype: type[np.generic]) -> DeviceArray:
        """Make an array of zeros."""


@dataclass(frozen=True, slots=True)
class Workspace:
    """Candidates of a batch (kernels/candidates.cuh), and what is found of them; made by `Workspace.make`.

    `found` (N * limit * itemsize + N * 4,) uint8 holds rows of FOUND, then one count an image: one copy fetches all.
    """

    boxes: DeviceArray  # (N, rows, 4) float32
    scores: DeviceArray  # (N, rows) float32
    class_ids: DeviceArray  # (N, rows) int32
    kept: DeviceArray  # (N, rows) int32
    counts: DeviceArray  # (N,) int32, zero between runs
    angles: DeviceArray  # (N, rows) float32, rotated boxes only
    turns: DeviceArray  # (N, rows, 2) float32, rotated boxes only
    found: DeviceArray
    limit: int

    @staticmethod
    def make(xp: Arrays, batch: int, rows: int, limit: int, *, rotated: bool = False) -> "Workspace":
        """Allocate with `xp`, a module of arrays (cupy)."""
        turned = (batch, rows) if rotated else (0, rows)
        return Workspace(
            boxes=xp.zeros((batch, rows, 4), np.float32),
            scores=xp.zeros((batch, rows), np.float32),
            class_ids=xp.zeros((batch, rows), np.int32),
            kept=xp.zeros((batch, rows), np.int32),
            counts=xp.zeros(batch, np.int32),
            angles=xp.zeros(turned, np.float32),
            turns=xp.zeros((*turned, 2), np.float32),
            found=xp.zeros(batch * (limit * FOUND.itemsize + 4), np.uint8),
            limit=limit,
        )

    def candidates(self) -> list[Argument]:
        """Return the arrays that a decode writes and a suppression reads, in the kernels' order."""
        return [self.boxes, self.scores, self.class_ids, self.kept, self.counts]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which candidates count: from `confidence` on, and of `classes`, (classes + 31) // 32 uint32 of bits; None: all.

    `size` (W, H) is that of the model's input, for layouts whose boxes count cells of it.
    """

    confidence: float
    classes: DeviceArray | None = None
    size: tuple[int, int] = (0, 0)

    def bits(self, classes: int) -> Argument:
        """Return the kernel's argument: an array or a null pointer."""
        if self.classes is None:
            return np.uint64(0)
        check("classes", self.classes, [np.uint32], (_blocks(classes, 32),))
        return self.classes


def decode_yolov8(
    kernels: Kernels, values: DeviceArray, count: int, wanted: Wanted, work: Workspace, stream: Stream
) -> None:
    """Find the candidates of the first `count` images of values (N, 4 + classes, rows)."""
    _decode_planes(kernels, "decode_yolov8", values, count, wanted, work, values.shape[1] - 4, [], stream)


def decode_obb(
    kernels: Kernels, values: DeviceArray, count: int, wanted: Wanted, work: Workspace, stream: Stream
) -> None:
    """Find the rotated candidates of the first `count` images of values (N, 4 + classes + 1, rows)."""
    check("work.angles", work.angles, [np.float32], work.scores.shape)
    turned: list[Argument] = [work.angles, work.turns]
    _decode_planes(kernels, "decode_obb", values, count, wanted, work, values.shape[1] - 5, turned, stream)


def decode_yolov5(
    kernels: Kernels, values: DeviceArray, count: int, wanted: Wanted, work: Workspace, stream: Stream
) -> None:
    """Find the candidates of the first `count` images of values (N, rows, 5 + classes)."""
    _decode_rows(kernels, "decode_yolov5", values, count, wanted, work, [], stream)


def decode_yolox(
    kernels: Kernels, values: DeviceArray, count: int, wanted: Wanted, work: Workspace, stream: Stream
) -> None:
    """Find the candidates of the first `count` images of values (N, rows, 5 + classes)."""
    width, height = wanted.size
    cells = sum((width // stride) * (height // stride) for stride in (8, 16, 32))
    if values.shape[1] != cells:
        raise ValueError(f"values: an input of {width}x{height} has {cells} rows, got {values.shape}")
    _decode_rows(kernels, "decode_yolox", values, count, wanted, work, [np.int32(width), np.int32(height)], stream)


def nms(
    kernels: Kernels, work: Workspace, count: int, geometries: DeviceArray, iou_threshold: float, stream: Stream
) -> None:
    """Suppress the candidates of the first `count` images; `work.found` then holds what is left, in source pixels.

    geometries (N * itemsize,) uint8: rows of GEOMETRY.
    """
    _suppress(kernels, "nms", work, count, geometries, iou_threshold, [], stream)


def nms_rotated(
    kernels: Kernels, work: Workspace, count: int, geometries: DeviceArray, iou_threshold: float, stream: Stream
) -> None:
    """Suppress the rotated candidates of the first `count` images; `work.found` is in input pixels."""
    check("work.angles", work.angles, [np.float32], work.scores.shape)
    _suppress(kernels, "nms_rotated", work, count, geometries, iou_threshold, [work.angles, work.turns], stream)


def _decode_planes(
    kernels: Kernels,
    kernel: str,
    values: DeviceArray,
    count: int,
    wanted: Wanted,
    work: Workspace,
    classes: int,
    turned: list[Argument],
    stream: Stream,
) -> None:
    batch, rows = work.scores.shape
    check("values", values, FLOATS, (batch, None, rows))
    _check_count(count, batch, classes)
    kernels.get("decode_yolov8", f"{kernel}_{SUFFIX[values.dtype]}")(
        (_blocks(rows, DECODE_BLOCK), count),
        (DECODE_BLOCK,),
        [
            values,
            np.int32(classes),
            np.int32(rows),
            np.float32(wanted.confidence),
            wanted.bits(classes),
            *work.candidates(),
            *turned,
        ],
        stream=stream,
    )


def _decode_rows(
    kernels: Kernels,
    kernel: str,
    values: DeviceArray,
    count: int,
    wanted: Wanted,
    work: Workspace,
    size: list[Argument],
    stream: Stream,
) -> None:
    batch, rows = work.scores.shape
    check("values", values, FLOATS, (batch, rows, None))
    classes = values.shape[2] - 5
    _check_count(count, batch, classes)
    kernels.get(kernel, f"{kernel}_{SUFFIX[values.dtype]}")(
        (_blocks(rows, DECODE_BLOCK), count),
        (DECODE_BLOCK,),
        [
            values,
            np.int32(classes),
            np.int32(rows),
            *size,
            np.float32(values.dtype.type(wanted.confidence)),
            np.float32(wanted.confidence),
            wanted.bits(classes),
            *work.candidates(),
        ],
        stream=stream,
    )


def _suppress(
    kernels: Kernels,
    kernel: str,
    work: Workspace,
    count: int,
    geometries: DeviceArray,
    iou_threshold: float,
    turned: list[Argument],
    stream: Stream,
) -> None:
    batch, rows = work.scores.shape
    check("geometries", geometries, [np.uint8], (batch * GEOMETRY.itemsize,))
    _check_count(count, batch, 1)
    kernels.get(kernel, kernel)(
        (count,),
        (SUPPRESS_BLOCK,),
        [
            *work.candidates(),
            np.int32(rows),
            *turned,
            geometries,
            np.float32(iou_threshold),
            np.int32(work.limit),
            work.found,
            work.found[batch * work.limit * FOUND.itemsize :],
        ],
        stream=stream,
    )


def _check_count(count: int, batch: int, classes: int) -> None:
    if not 0 < count <= batch or classes < 1:
        raise ValueError(f"{count} of {batch} images with {classes} classes")


def _blocks(work: int, each: int) -> int:
    return -(-work // each)
