"""The backend for `.onnx` on a GPU: ONNX Runtime's CUDA provider, bound to device memory, on a stream of ours.

A run is put on the stream and the thread goes on; nothing is copied, since inputs and outputs are bound by address.
The library plans its memory by shape, so runs have one of a few sizes, 1, 2, 4 ... rows up to the batch, each run
once beforehand: after that it allocates nothing. Outputs whose shape hangs on what is seen are made by the runtime on
the host, and a run with such waits for them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import onnxruntime as ort  # type: ignore[import-untyped]  # it ships no types

from streamd.errors import ModelError
from streamd.gpu.device import Gpu, open_gpu
from streamd.infer import Array
from streamd.infer.device import DeviceSlots
from streamd.infer.session import FAILURES, SILENT, open_session, reason
from streamd.infer.settle import Settled, settle
from streamd.manifest import Manifest

PROVIDER = "CUDAExecutionProvider"


@dataclass(slots=True)
class _Bound:
    """The bindings of one slot by rows, and what the runtime made of outputs that cannot be bound."""

    bindings: dict[int, ort.IOBinding] = field(default_factory=dict)
    made: dict[str, Array] = field(default_factory=dict)


class OrtCuda:
    """A Backend (see streamd/infer/__init__.py) over one session on a GPU, and the bindings of its slots."""

    def __init__(self, path: Path, opened: Settled, slots: DeviceSlots, session: ort.InferenceSession) -> None:
        """Run `session` on `slots`; it runs on the stream of their timeline."""
        self.manifest = opened.manifest
        self.batch = opened.rows
        self.slots = slots
        self.ring = slots.ring
        self._path = path
        self._session = session
        self._bound = [_Bound() for _ in slots.inputs]
        self._options = ort.RunOptions()
        self._options.add_run_config_entry("disable_synchronize_execution_providers", "1")
        self._sizes = sizes(opened.manifest.batch, opened.rows)
        for rows in self._sizes:
            for slot in range(len(slots.inputs)):
                self.enqueue(slot, rows)
        slots.timeline.close()

    def input(self, slot: int) -> Array:
        """Return the input rows of `slot` on the host, (batch, C, H, W), to be written in place before `run`."""
        return self.slots.mirror(slot)[: self.batch]

    def run(self, slot: int, rows: int) -> None:
        """Bring the first `rows` rows of `slot` to the GPU and have them run; ModelError when the runtime fails."""
        self.slots.upload(slot, rows)
        self.enqueue(slot, rows)

    def enqueue(self, slot: int, rows: int) -> None:
        """Have the first `rows` rows of `slot` run, as they are in device memory.

        Raises:
            ModelError: the runtime failed.
        """
        if not 1 <= rows <= self.batch:
            raise ValueError(f"{rows} rows in a backend of 1 to {self.batch}")
        rows = next(size for size in self._sizes if size >= rows)
        bound = self._bound[slot]
        binding = bound.bindings.get(rows) or self._bind(bound, slot, rows)
        try:
            with self.slots.timeline.running(slot):
                self._session.run_with_iobinding(binding, self._options)
        except FAILURES as error:
            raise ModelError(f"{self._path}: a run of {rows} rows failed: {reason(error)}") from error
        if len(self.slots.outputs[slot]) < len(self.manifest.outputs):
            values = zip(self.manifest.outputs, binding.get_outputs(), strict=True)
            bound.made = {
                output.name: value.numpy() for output, value in values if output.name not in self.slots.outputs[slot]
            }

    def outputs(self, slot: int, rows: int) -> tuple[Array, ...]:
        """Wait for the run; return the first `rows` rows of each output on the host, valid until the slot is free."""
        held = self.slots.download(slot, rows) | self._bound[slot].made
        return tuple(held[output.name][:rows] for output in self.manifest.outputs)

    def close(self) -> None:
        """Wait for what runs, then let go of the session and the memory; safe twice."""
        self.slots.close()
        self._bound = []
        self._session = None

    def _bind(self, bound: _Bound, slot: int, rows: int) -> ort.IOBinding:
        binding = self._session.io_binding()
        gpu, image = self.slots.gpu, self.slots.inputs[slot]
        binding.bind_input(
            self.manifest.input.name,
            gpu.kind,
            gpu.index,
            image.dtype.type,
            (rows, *image.shape[1:]),
            gpu.address(image),
        )
        for output in self.manifest.outputs:
            array = self.slots.outputs[slot].get(output.name)
            if array is None:
                binding.bind_output(output.name, "cpu")
            else:
                shape = (rows, *array.shape[1:])
                binding.bind_output(output.name, gpu.kind, gpu.index, array.dtype.type, shape, gpu.address(array))
        bound.bindings[rows] = binding
        return binding


def load(path: Path, sidecar: Manifest | None, *, batch: int, device: str) -> OrtCuda:
    """Open the model at `path` on `device` (`cuda:N`), describe it, and run every size of batch once.

    Raises:
        ModelError: the file or its manifest cannot be used, or this ONNX Runtime has no working CUDA provider.
        DeviceError: there is no such GPU, or it has no memory left.
    """
    if PROVIDER not in ort.get_available_providers():
        raise ModelError(
            f"{path}: this ONNX Runtime runs on the CPU alone, not on '{device}'",
            mend="pip uninstall onnxruntime, pip install 'onnxruntime-gpu[cuda,cudnn]'; or build an engine of it "
            "(`streamd build`); or set device: cpu",
        )
    ort.set_default_logger_severity(SILENT)  # it warns of every session, by a logger that no session's options reach
    if hasattr(ort, "preload_dlls"):
        ort.preload_dlls()
    gpu = open_gpu(device)
    opened = settle(path, sidecar, batch, lambda sides: _open(path, sides, gpu, None))
    rows = opened.manifest.batch or opened.rows
    known = {
        output.name: (opened.known[output.name].shape[1:], opened.known[output.name].dtype)
        for output in opened.manifest.outputs
        if output.name in opened.known
    }
    slots = DeviceSlots(gpu, opened.manifest, rows, known)
    # Only now is there a stream for it: what settled the shapes ran on one of the library's own.
    session = _open(path, opened.sides, gpu, slots.timeline.run_stream.ptr)
    return OrtCuda(path, opened, slots, session)


def sizes(fixed: int, most: int) -> tuple[int, ...]:
    """Return the rows that runs have: `fixed` where the model has it so, else 1, 2, 4 ... and `most`."""
    if fixed:
        return (fixed,)
    return (*(1 << power for power in range((most - 1).bit_length())), most)


def _open(path: Path, sides: Mapping[str, int], gpu: Gpu, stream: int | None) -> ort.InferenceSession:
    options: dict[str, str] = {"device_id": str(gpu.index), "cudnn_conv_algo_search": "HEURISTIC"}
    if stream is not None:
        options["user_compute_stream"] = str(stream)
    session = open_session(path, threads=1, spin="never", sides=sides, providers=[(PROVIDER, options)])
    if PROVIDER not in session.get_providers():
        raise ModelError(
            f"{path}: ONNX Runtime cannot load its CUDA provider",
            mend="pip install 'onnxruntime-gpu[cuda,cudnn]' for this driver; `streamd doctor` tells more",
        )
    return session
