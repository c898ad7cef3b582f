"""The backend for `.onnx`: ONNX Runtime on the CPU, its inputs and outputs bound to buffers made once.

Each slot owns an input buffer, and an output buffer wherever the shape is known beforehand, so that a run allocates
and copies nothing. Outputs whose shape hangs on what is seen (NMS inside the model) are made by the runtime and
fetched.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import onnxruntime as ort  # type: ignore[import-untyped]  # it ships no types
import structlog

from streamd.errors import ModelError
from streamd.infer import Array, Spin
from streamd.infer.describe import describe
from streamd.infer.session import DTYPES, FAILURES, open_session, reason, tensor_of
from streamd.infer.tensors import Image, Tensor, image_of, shown, size_of
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

    def __init__(
        self, path: Path, session: ort.InferenceSession, described: Manifest, batch: int, known: Mapping[str, Array]
    ) -> None:
        """`known` holds an example of each output that can be bound beforehand."""
        self.manifest = described
        self.batch = batch
        self.ring = SlotRing(SLOTS)
        self._path = path
        self._session = session
        self._slots = [self._new_slot(known) for _ in range(SLOTS)]

    def input(self, slot: int) -> Array:
        """Return the input rows of `slot`, (batch, C, H, W)."""
        return self._slots[slot].input[: self.batch]

    def run(self, slot: int, rows: int) -> None:
        """Run the first `rows` rows of `slot`; a model of a fixed batch runs all of its rows, whatever they hold.

        Raises:
            ModelError: the runtime failed.
        """
        if not 1 <= rows <= self.batch:
            raise ValueError(f"{rows} rows in a backend of 1 to {self.batch}")
        memory = self._slots[slot]
        rows = self.manifest.batch or rows
        binding = memory.bindings.get(rows) or self._bind(memory, rows)
        try:
            self._session.run_with_iobinding(binding)
        except FAILURES as error:
            raise ModelError(f"{self._path}: a run of {rows} rows failed: {reason(error)}") from error
        self._fetch(memory, binding)

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

    def _fetch(self, memory: _Slot, binding: ort.IOBinding) -> None:
        if len(memory.outputs) == len(self.manifest.outputs):
            return
        values = binding.get_outputs()
        for output, value in zip(self.manifest.outputs, values, strict=True):
            if output.name not in memory.outputs:
                memory.made[output.name] = value.numpy()


def load(path: Path, sidecar: Manifest | None, *, batch: int, threads: int, device: str, spin: Spin) -> OnnxRuntime:
    """Open the model at `path`, settle what it leaves open, describe it, and run it once to warm up.

    `sidecar` is the manifest beside it, where there is one.

    `spin` says what the session's threads do between two pieces of work. `always`, the library's own default, burns a
    core between runs too, which decoding needs. `never` pays a wake-up for every operator: a third of a small
    network's speed. `running` spins only while a run is under way. YOLOX-Nano on 2 cores with decoding, letterboxing
    and post-processing beside it: `running` 101 frames/s, `always` 97, `never` 74.

    Raises:
        ModelError: the file or its manifest cannot be used, or `device` is not the CPU.
    """
    if device != "cpu":
        raise ModelError(f"{path}: an .onnx model runs on the CPU, not on '{device}'", mend="set device: cpu")
    session = open_session(path, threads=threads, spin=spin, sides={})
    metadata = session.get_modelmeta().custom_metadata_map
    size = (sidecar.input.width, sidecar.input.height) if sidecar else size_of(metadata)
    image = image_of(path, [tensor_of(node) for node in session.get_inputs()], size)
    rows = _rows(path, image, batch)
    if sides := _open_sides(session.get_inputs()[0].shape, image, rows):
        structlog.get_logger().info("open sides of the model settled", model=str(path), **sides)
        session = open_session(path, threads=threads, spin=spin, sides=sides)
    made = _probe(path, session, image, rows)
    tensors = [_batched(tensor_of(node), image) for node in session.get_outputs() if node.name in made]
    if sidecar is None:  # a guess needs every side; a manifest is only held against what the model promises
        tensors = [_batched(replace(tensor, shape=made[tensor.name].shape), image) for tensor in tensors]
    shape = (image.batch or -1, image.channels, image.height, image.width)
    described = describe(path, sidecar, [Tensor(image.name, image.dtype, shape)], tensors, metadata)
    _check_rows(path, described, made, image.batch or rows)
    return OnnxRuntime(path, session, described, rows, _bindable(session, made))


def _rows(path: Path, image: Image, batch: int) -> int:
    """Return the most rows of one run: what was asked, or what the model has."""
    if not image.batch or batch == image.batch:
        return batch
    if batch > image.batch:
        note = "the model's batch is fixed: fewer frames share a run than asked"
    else:
        note = "the model's batch is fixed: runs of fewer frames take as long as full ones"
    structlog.get_logger().warning(note, model=str(path), asked=batch, fixed=image.batch)
    return min(batch, image.batch)


def _open_sides(shape: Sequence[int | str | None], image: Image, rows: int) -> dict[str, int]:
    """Return the dimensions that the model leaves open under a name, and what they are here.

    The batch stays open unless every run has one row: then more shapes become constants.
    """
    settled = (1 if rows == 1 else None, image.channels, image.height, image.width)
    return {side: known for side, known in zip(shape, settled, strict=True) if isinstance(side, str) and side and known}


def _probe(path: Path, session: ort.InferenceSession, image: Image, rows: int) -> dict[str, Array]:
    """Run once on an empty picture: it warms the session up, and shows the shapes that the model leaves open."""
    shape = (image.batch or rows, image.channels, image.height, image.width)
    names = [node.name for node in session.get_outputs() if node.type in DTYPES]
    if not names:
        raise ModelError(f"{path}: none of its outputs is a tensor", mend="export it without its last step")
    try:
        values = session.run(names, {image.name: np.zeros(shape, image.dtype)})
    except FAILURES as error:
        mend = "set batch: 1, or export it with a dynamic batch" if shape[0] > 1 else "export it again"
        raise ModelError(
            f"{path}: it cannot run on an input of {'x'.join(map(str, shape))}: {reason(error)}", mend=mend
        ) from error
    return dict(zip(names, values, strict=True))


def _batched(tensor: Tensor, image: Image) -> Tensor:
    return replace(tensor, shape=(image.batch or -1, *tensor.shape[1:])) if tensor.shape else tensor


def _check_rows(path: Path, described: Manifest, made: Mapping[str, Array], rows: int) -> None:
    for output in described.outputs:
        shape = made[output.name].shape
        if shape[:1] != (rows,):
            raise ModelError(
                f"{path}: output {output.name} is {shown(shape)} for a batch of {rows}: its first side is no batch",
                mend="set batch: 1, or export it with a dynamic batch" if rows > 1 else "export it with a batch first",
            )


def _bindable(session: ort.InferenceSession, made: Mapping[str, Array]) -> dict[str, Array]:
    """Pick the outputs whose shape follows from the batch alone."""
    batch = session.get_inputs()[0].shape[0]
    return {
        node.name: made[node.name]
        for node in session.get_outputs()
        if node.name in made and node.shape[:1] == [batch] and tuple(node.shape[1:]) == made[node.name].shape[1:]
    }
