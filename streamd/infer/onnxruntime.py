"""The backend for `.onnx`: ONNX Runtime on the CPU, its inputs and outputs bound to buffers made once.

Each slot owns an input buffer, and an output buffer wherever the shape is known beforehand, so that a run allocates
and copies nothing. Outputs whose shape hangs on what is seen (NMS inside the model) are made by the runtime and
fetched.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnxruntime as ort  # type: ignore[import-untyped]  # it ships no types

from streamd.errors import ModelError
from streamd.infer import Array, Spin
from streamd.infer.session import FAILURES, fetched, leave_open, open_session, reason
from streamd.infer.settle import Settled, settle
from streamd.manifest import Manifest
from streamd.slots import SlotRing

SLOTS = 2


@dataclass(slots=True)
class _Slot:
    """The memory of one slot: buffers for outputs of known shape, and what the runtime made of the others."""

    input: Array
    outputs: dict[str, Array]
    made: dict[str, Array] = field(default_factory=dict)
    bindings: dict[int, ort.IOBinding] = field(default_factory=dict)  # by rows of a run


class OnnxRuntime:
    """A Backend (see streamd/infer/__init__.py) over one session. It owns the session and the buffers of all slots."""

    def __init__(self, path: Path, opened: Settled) -> None:
        self.manifest = opened.manifest
        self.batch = opened.rows
        self.ring = SlotRing(SLOTS)
        self._path = path
        self._session = opened.session
        self._slots = [self._new_slot(opened.known) for _ in range(SLOTS)]

    def input(self, slot: int) -> Array:
        """Return the input rows of `slot`, (batch, C, H, W)."""
        return self._slots[slot].input[: self.batch]

    def run(self, slot: int, rows: int) -> None:
        """Run the first `rows` rows of `slot`; a model of a fixed batch runs all of its rows, whatever they hold.

        Raises:
            ModelError: the runtime failed, or the first side of an output is no batch.
        """
        if not 1 <= rows <= self.batch:
            raise ValueError(f"{rows} rows in a backend of 1 to {self.batch}")
        memory = self._slots[slot]
        rows = self.manifest.batch or rows
        binding = memory.bindings.get(rows) or self._bind(memory, rows)
        leave_open(binding, memory.made)
        try:
            self._session.run_with_iobinding(binding)
        except FAILURES as error:
            raise ModelError(f"{self._path}: a run of {rows} rows failed: {reason(error)}") from error
        memory.made = fetched(
            self._path, [output.name for output in self.manifest.outputs], memory.outputs, binding, rows
        )

    def outputs(self, slot: int, rows: int) -> tuple[Array, ...]:
        """Return the first `rows` rows of each output, in the manifest's order, valid until the slot is released."""
        memory = self._slots[slot]
        return tuple((memory.made | memory.outputs)[output.name][:rows] for output in self.manifest.outputs)

    def close(self) -> None:
        """Let go of the session and the buffers; safe twice."""
        self.ring.close()
        self._slots = []
        self._session = None

    def _new_slot(self, known: Mapping[str, Array]) -> _Slot:
        rows = self.manifest.batch or self.batch
        image = self.manifest.input
        shape = (rows, image.channels, image.height, image.width)
        outputs = {
            output.name: np.zeros((rows, *known[output.name].shape[1:]), known[output.name].dtype)
            for output in self.manifest.outputs
            if output.name in known
        }
        return _Slot(np.zeros(shape, image.dtype), outputs)

    def _bind(self, memory: _Slot, rows: int) -> ort.IOBinding:
        binding = self._session.io_binding()
        rows_in = memory.input[:rows]
        binding.bind_input(self.manifest.input.name, "cpu", 0, rows_in.dtype.type, rows_in.shape, rows_in.ctypes.data)
        for output in self.manifest.outputs:
            buffer = memory.outputs.get(output.name)
            if buffer is None:
                binding.bind_output(output.name, "cpu")
            else:
                shape = (rows, *buffer.shape[1:])
                binding.bind_output(output.name, "cpu", 0, buffer.dtype.type, shape, buffer.ctypes.data)
        memory.bindings[rows] = binding
        return binding


def load(path: Path, sidecar: Manifest | None, *, batch: int, threads: int, spin: Spin) -> OnnxRuntime:
    """Open the model at `path`, settle what it leaves open, describe it, and run it once to warm up.

    `sidecar` is the manifest beside it, where there is one.

    `spin` says what the session's threads do between two pieces of work. `always`, the library's own default, burns a
    core between runs too, which decoding needs. `never` pays a wake-up for every operator: a third of a small
    network's speed. `running` spins only while a run is under way. YOLOX-Nano on 2 cores with decoding, letterboxing
    and post-processing beside it: `running` 101 frames/s, `always` 97, `never` 74.

    Raises:
        ModelError: the file or its manifest cannot be used.
    """
    opened = settle(path, sidecar, batch, lambda sides: open_session(path, threads=threads, spin=spin, sides=sides))
    return OnnxRuntime(path, opened)
