"""The two modes that read pictures in host memory: all on the CPU, or the letterbox there and the rest on the GPU.

host     Y, U, V -> letterbox -> RGB -> normalise -> N,C,H,W          into the slot's input (or its mirror)
hybrid   Y, U, V -> letterbox -> BGR bytes, uploaded  -> normalise -> N,C,H,W on the GPU
device   all on the GPU: device.py
"""

from collections.abc import Callable, Sequence
from typing import Any

import cv2
import msgspec
import numpy as np
import numpy.typing as npt

from streamd.errors import ModelError
from streamd.frames import Picture, Surface
from streamd.gpu.arrays import DeviceArray
from streamd.gpu.device import Gpu
from streamd.gpu.ops import FLOATS, Scaling, bgr_normalize, compile_now
from streamd.gpu.timeline import Timeline
from streamd.letterbox import Letterbox
from streamd.manifest import Input
from streamd.preprocess.host import HostPreprocess
from streamd.preprocess.reference import normalization


class HostFill:
    """Fills the rows that `rows_of` gives for a slot. One thread at a time."""

    def __init__(self, spec: Input, rows_of: Callable[[int], npt.NDArray[Any]]) -> None:
        self._preprocess = HostPreprocess(spec)
        self._rows_of = rows_of

    def __call__(self, pictures: Sequence[Picture | Surface], slot: int) -> tuple[Letterbox, ...]:
        """Fill the first rows of `slot`, one a picture; return where each stands in its row."""
        rows = self._rows_of(slot)
        return tuple(self._preprocess(picture, row) for picture, row in zip(on_host(pictures), rows, strict=False))


class HybridFill:
    """Letterboxes on the CPU to bytes, a quarter of float32's to upload, and has a kernel make the tensor."""

    def __init__(self, gpu: Gpu, timeline: Timeline, spec: Input, inputs: Sequence[DeviceArray]) -> None:
        """`inputs` is the input of each slot, (N, 3, H, W).

        Raises:
            ModelError: the kernel does not write such an input.
            DeviceError: it does not compile, or there is no memory for it.
        """
        check_floats(spec, "hybrid")
        if spec.channels != 3:
            raise ModelError("preprocess: hybrid does not make gray inputs", mend="set preprocess: host, or device")
        self._gpu = gpu
        self._timeline = timeline
        self._inputs = inputs
        self._reverse = spec.colour == "rgb"
        self._scaling = Scaling.of(spec.pad, *(values.tolist() for values in normalization(spec)))
        pixels = msgspec.structs.replace(spec, dtype="uint8", colour="bgr", scale=1.0, mean=(0.0,), std=(1.0,))
        self._preprocess = HostPreprocess(pixels)
        self._planes = np.zeros((3, spec.height, spec.width), np.uint8)
        with gpu.active():
            compile_now(gpu.kernels, "bgr_normalize", spec.dtype)
        shape = (inputs[0].shape[0], spec.height, spec.width, 3)
        self._staging = [gpu.pinned(shape, np.uint8) for _ in inputs]
        self._pixels = [gpu.zeros(shape, np.uint8) for _ in inputs]

    def __call__(self, pictures: Sequence[Picture | Surface], slot: int) -> tuple[Letterbox, ...]:
        """Have the first rows of `slot` filled, one a picture; return where each stands in its row."""
        staging, count = self._staging[slot], len(pictures)
        places = []
        for picture, row in zip(on_host(pictures), staging, strict=False):
            places.append(self._preprocess(picture, self._planes))
            cv2.merge(list(self._planes), dst=row)
        with self._timeline.filling(slot) as stream:
            pixels = self._pixels[slot]
            self._gpu.upload(staging[:count], pixels, stream)
            rows = self._inputs[slot][:count]
            bgr_normalize(self._gpu.kernels, pixels[:count], rows, self._scaling, reverse=self._reverse, stream=stream)
        return tuple(places)


def check_floats(spec: Input, mode: str) -> None:
    """Refuse an input that no kernel writes.

    Raises:
        ModelError: it is of whole numbers.
    """
    if np.dtype(spec.dtype) not in [np.dtype(dtype) for dtype in FLOATS]:
        raise ModelError(f"preprocess: {mode} does not make {spec.dtype} inputs", mend="set preprocess: host")


def on_host(pictures: Sequence[Picture | Surface]) -> list[Picture]:
    """Return `pictures`, which are all in host memory.

    Raises:
        TypeError: one is not; a fault of who joined the rooms.
    """
    there: list[Picture] = []
    for picture in pictures:
        if not isinstance(picture, Picture):
            raise TypeError(f"a picture on the GPU came to preprocessing on the host: {picture}")
        there.append(picture)
    return there
