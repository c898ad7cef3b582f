"""All of the preprocessing on the GPU: one launch of `nv12_letterbox` for a batch of pictures of any sizes.

A surface is read where the decoder put it. A picture in host memory, of a camera that the GPU cannot decode, goes up
as NV12 first: half of what its RGB would be.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import cv2
import numpy as np
import numpy.typing as npt

from streamd.frames import LUMA, Colour, Picture, Surface
from streamd.gpu.arrays import DeviceArray, Stream
from streamd.gpu.device import Gpu
from streamd.gpu.graph import record
from streamd.gpu.layouts import SURFACE
from streamd.gpu.ops import Scaling, nv12_letterbox
from streamd.gpu.surface import surface_row
from streamd.gpu.timeline import Timeline
from streamd.letterbox import Letterbox
from streamd.manifest import Input
from streamd.preprocess.modes import check_floats
from streamd.preprocess.reference import colour_rows, normalization

KNOWN = 256  # shapes of pictures: cameras have a handful
Bytes = npt.NDArray[np.uint8]


@dataclass(slots=True)
class _Memory:
    """Pinned host memory and its twin on the device, grown to the largest picture that came."""

    host: Bytes
    device: DeviceArray


@dataclass(frozen=True, slots=True)
class _Shape:
    """What pictures of one shape share: where they stand in the input, and their row of SURFACE but for addresses."""

    place: Letterbox
    row: np.void


class DevicePreprocess:
    """Fills slots of one model. One thread at a time. Whoever fills holds the pictures until the slot has been read."""

    def __init__(self, gpu: Gpu, timeline: Timeline, spec: Input, inputs: Sequence[DeviceArray]) -> None:
        """`inputs` is the input of each slot, (N, C, H, W).

        Raises:
            ModelError: the kernels do not write the input's type.
            DeviceError: they do not compile, or there is no memory for them.
        """
        check_floats(spec, "device")
        self._gpu = gpu
        self._timeline = timeline
        self._spec = spec
        self._inputs = inputs
        self._scaling = Scaling.of(spec.pad, *(values.tolist() for values in normalization(spec)))
        self._weights = {
            colour: colour_rows(spec, colour)
            for colour in (Colour(matrix, full) for matrix in LUMA for full in (False, True))
        }
        self._known: dict[tuple[object, ...], _Shape] = {}  # making a row anew takes longer than all else here
        rows = inputs[0].shape[0]
        self._laid: list[list[_Shape | None]] = [[None] * rows for _ in inputs]
        self._tables = [self._allocate(rows * SURFACE.itemsize) for _ in inputs]
        self._uploads: list[list[_Memory]] = [[self._allocate(0) for _ in range(rows)] for _ in inputs]
        self._launches = [self._prepare(slot) for slot in range(len(inputs))]

    def __call__(self, pictures: Sequence[Picture | Surface], slot: int) -> tuple[Letterbox, ...]:
        """Have the first rows of `slot` filled, padding and all, one a picture; return where each stands in its row."""
        gpu = self._gpu
        with self._timeline.filling(slot) as stream:
            surfaces = [
                self._upload(picture, self._uploads[slot][row], stream) if isinstance(picture, Picture) else picture
                for row, picture in enumerate(pictures)
            ]
            gpu.order(surfaces, stream)
            shapes = [self._shape(surface) for surface in surfaces]
            self._lay(slot, shapes, surfaces)
            self._launches[slot]()
        return tuple(shape.place for shape in shapes)

    def _prepare(self, slot: int) -> Callable[[], None]:
        """Return what fills a slot by its table: all rows, since the launches of a graph are of one size."""
        self._tables[slot].host[:] = 0  # pinned memory may hold anything
        with self._timeline.filling(slot) as stream:
            return record(self._gpu, partial(self._launch, slot, stream), stream, "preprocessing")

    def _launch(self, slot: int, stream: Stream) -> None:
        table, inputs = self._tables[slot], self._inputs[slot]
        self._gpu.upload(table.host, table.device, stream)
        nv12_letterbox(self._gpu.kernels, table.device, inputs.shape[0], inputs, self._scaling, stream)

    def _shape(self, surface: Surface) -> _Shape:
        """Return what surfaces of this shape have in common."""
        spec = self._spec
        key = (
            *(surface.width, surface.height, surface.pitch, surface.chroma_pitch, surface.sample_bytes),
            surface.colour,
        )
        known = self._known.get(key)
        if known is None:
            if len(self._known) >= KNOWN:
                self._known.clear()
            place = Letterbox.place(surface.width, surface.height, spec.width, spec.height, spec.fit, spec.anchor)
            known = self._known[key] = _Shape(place, surface_row(surface, place, self._weights[surface.colour]))
        return known

    def _lay(self, slot: int, shapes: Sequence[_Shape], surfaces: Sequence[Surface]) -> None:
        """Write a slot's table; most rows are of the shape they were, and only their addresses differ."""
        table, laid, count = self._tables[slot].host.view(SURFACE), self._laid[slot], len(shapes)
        for row, shape in enumerate(shapes):
            if laid[row] is not shape:
                laid[row], table[row] = shape, shape.row
        table["pixels"][:count] = [surface.pixels for surface in surfaces]
        table["chroma"][:count] = [surface.chroma for surface in surfaces]
        table["pixels"][count:] = 0  # the kernel leaves such rows as they are

    def _upload(self, picture: Picture, memory: _Memory, stream: Stream) -> Surface:
        """Bring a picture up as NV12, rows without gaps."""
        height, width = picture.y.shape
        rows, columns = picture.u.shape
        size = height * width + height * width % 2 + 2 * rows * columns
        if memory.host.size < size:
            grown = self._allocate(size)
            memory.host, memory.device = grown.host, grown.device
        at = size - 2 * rows * columns  # even: a chroma pair is read at once
        np.copyto(memory.host[: height * width].reshape(height, width), picture.y)
        cv2.merge([picture.u, picture.v], dst=memory.host[at:size].reshape(rows, columns, 2))
        self._gpu.upload(memory.host[:size], memory.device, stream)
        address = self._gpu.address(memory.device)
        return Surface(address, width, width, height, address + at, 2 * columns, colour=picture.colour)

    def _allocate(self, size: int) -> _Memory:
        return _Memory(self._gpu.pinned((size,), np.uint8), self._gpu.zeros((size,), np.uint8))
