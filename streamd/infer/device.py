"""The bindings of a model on a GPU: inputs and outputs of every slot in device memory, made once, and their mirrors.

Three slots, not two: while one is filled another runs, and the results of a third are still on their way back. So
the model never waits for the host to read. Mirrors in pinned host memory are made when somebody first asks for them:
a corridor that fills and reads on the device has none.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from streamd.gpu.arrays import DeviceArray
from streamd.gpu.device import Gpu
from streamd.gpu.timeline import Timeline
from streamd.manifest import Manifest
from streamd.slots import SlotRing

SLOTS = 3

Known = Mapping[str, tuple[tuple[int, ...], np.dtype[Any]]]  # an output's shape behind its batch, and its type


class DeviceSlots:
    """The memory, the streams and the ring of one model. `rows` is the most of one run."""

    def __init__(self, gpu: Gpu, manifest: Manifest, rows: int, known: Known) -> None:
        """Allocate; `known` are the outputs whose shape follows from the batch.

        Raises:
            DeviceError: the GPU has no memory left.
        """
        image = manifest.input
        self.gpu = gpu
        self.rows = rows
        self.ring = SlotRing(SLOTS)
        self.timeline = Timeline(gpu, SLOTS)
        shape = (rows, image.channels, image.height, image.width)
        self.inputs = tuple(gpu.zeros(shape, image.dtype) for _ in range(SLOTS))
        self.outputs = tuple(
            {name: gpu.zeros((rows, *sides), dtype) for name, (sides, dtype) in known.items()} for _ in range(SLOTS)
        )
        self._mirrors: dict[tuple[int, str], npt.NDArray[Any]] = {}

    def mirror(self, slot: int) -> npt.NDArray[Any]:
        """Return pinned host memory of the input's shape, for `upload`."""
        return self._mirror(slot, "", self.inputs[slot])

    def upload(self, slot: int, rows: int) -> None:
        """Fill the first `rows` rows of the input from its mirror."""
        with self.timeline.filling(slot) as stream:
            self.gpu.upload(self.mirror(slot)[:rows], self.inputs[slot], stream)

    def download(self, slot: int, rows: int) -> dict[str, npt.NDArray[Any]]:
        """Wait for the run and return the first `rows` rows of every output, valid until the slot is released."""
        mirrors = {name: self._mirror(slot, name, array)[:rows] for name, array in self.outputs[slot].items()}
        with self.timeline.reading(slot) as stream:
            for name, mirror in mirrors.items():
                self.gpu.download(self.outputs[slot][name], mirror, stream)
        self.timeline.wait(slot)
        return mirrors

    def close(self) -> None:
        """Wait for what runs, and let the memory go; safe twice."""
        self.ring.close()
        self.timeline.close()
        self.inputs, self.outputs = (), ()
        self._mirrors.clear()

    def _mirror(self, slot: int, name: str, array: DeviceArray) -> npt.NDArray[Any]:
        if (slot, name) not in self._mirrors:
            self._mirrors[slot, name] = self.gpu.pinned(array.shape, array.dtype)
        return self._mirrors[slot, name]
