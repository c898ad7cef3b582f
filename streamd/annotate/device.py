"""Boxes and labels drawn on a copy of a surface, on its GPU; what is drawn is what the host draws (layout.py)."""

from collections.abc import Sequence

import numpy as np

from streamd.annotate.atlas import Atlas
from streamd.annotate.marks import MarkRows, Marks
from streamd.frames import Detections, Surface
from streamd.gpu.arrays import DeviceArray
from streamd.gpu.canvas import Canvases
from streamd.gpu.device import Gpu
from streamd.gpu.draw import copy_nv12, draw_nv12
from streamd.gpu.layouts import CANVAS, MARK

FIRST_MARKS = 1024  # room for, at first: 60 boxes with labels


class DeviceAnnotate:
    """Draws detections on copies of surfaces. One thread at a time.

    Nothing is allocated but for a size of picture, a size of text, or a number of marks not met before.
    """

    def __init__(self, gpu: Gpu, labels: Sequence[str]) -> None:
        """Take the names of the classes; one beyond them is called by its number."""
        self._gpu = gpu
        self._marks = Marks(labels)
        self._canvases = Canvases(gpu)
        self._stream = gpu.stream()
        self._copied = gpu.event()
        self._atlas: tuple[Atlas, DeviceArray] | None = None
        self._make_room(FIRST_MARKS)

    def __call__(self, surface: Surface, detections: Detections) -> Surface:
        """Return a copy of `surface` in NV12 with every box and label drawn; best scores are drawn last, on top.

        It is lent: its memory is used again when nobody holds it any more. When this returns, `surface` has been read.

        Raises:
            DeviceError: there is no memory for the copy.
        """
        marks = self._marks(surface, detections)
        with self._gpu.active():
            canvas = self._canvases.take(surface.width, surface.height, self._stream)
            drawn = canvas.lend(surface.colour)
            atlas = self._uploaded() if len(marks) else None
            if len(marks):
                self._upload(drawn, marks)
            self._gpu.order([surface], self._stream)
            copy_nv12(self._gpu.kernels, surface, drawn, self._stream)
            self._copied.record(self._stream)
            if atlas is not None:
                self._draw(drawn, len(marks), atlas)
            canvas.finish(self._stream)
            # The decoder may have its surface back, and the table and the atlas in pinned memory may be written anew.
            self._copied.synchronize()
        return drawn

    def close(self) -> None:
        """Wait for what is being drawn and let the memory go; safe twice."""
        with self._gpu.active():
            self._canvases.clear(self._stream)

    def _draw(self, canvas: Surface, count: int, atlas: DeviceArray) -> None:
        first, end = CANVAS.itemsize, CANVAS.itemsize + count * MARK.itemsize
        draw_nv12(
            self._gpu.kernels,
            self._table[:first],
            1,
            (canvas.width, canvas.height),
            self._table[first:end],
            atlas,
            self._stream,
        )

    def _upload(self, canvas: Surface, marks: MarkRows) -> None:
        """Upload the canvas and its marks as one table."""
        size = CANVAS.itemsize + marks.nbytes
        if size > self._staging.nbytes:
            self._stream.synchronize()
            self._make_room(2 * len(marks))
        row = np.zeros(1, CANVAS)
        for name, value in (("luma", canvas.pixels), ("chroma", canvas.chroma), ("count", len(marks))):
            row[name] = value
        for name in ("pitch", "chroma_pitch", "width", "height"):
            row[name] = getattr(canvas, name)
        self._staging[: CANVAS.itemsize] = row.view(np.uint8)
        self._staging[CANVAS.itemsize : size] = marks.view(np.uint8)
        self._gpu.upload(self._staging[:size], self._table, self._stream)

    def _uploaded(self) -> DeviceArray:
        """Return the atlas of the text at its present size, on the GPU."""
        atlas = self._marks.atlas
        if self._atlas is None or self._atlas[0] is not atlas:
            self._stream.synchronize()  # the one before may still be drawn from
            size = max(1, atlas.coverage.nbytes)
            self._pinned_atlas = self._gpu.pinned((size,), np.uint8)
            self._pinned_atlas[: atlas.coverage.nbytes] = atlas.coverage
            self._atlas = atlas, self._gpu.zeros((size,), np.uint8)
            self._gpu.upload(self._pinned_atlas, self._atlas[1], self._stream)
        return self._atlas[1]

    def _make_room(self, marks: int) -> None:
        size = CANVAS.itemsize + marks * MARK.itemsize
        self._staging = self._gpu.pinned((size,), np.uint8)
        self._table = self._gpu.zeros((size,), np.uint8)
