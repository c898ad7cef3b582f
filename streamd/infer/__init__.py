"""Room 3 of the corridor: a filled slot is run through a model, and its outputs come back.

    backend = load(Path("street.onnx"), batch=4)      # BACKENDS, chosen by the suffix of the file
    slot = backend.ring.acquire()                     # three stages share the ring, see streamd/slots.py
    backend.input(slot)[0] = ...                      # prepare: rows of N,C,H,W
    backend.run(slot, rows=1)                         # run
    head(backend.outputs(slot, rows=1))               # finish, then backend.ring.release(slot)

    files.py        what can be told of a model file without opening it: `streamd check` asks only this
    describe.py     the manifest that belongs to a model: the sidecar, held against the model, or a guess
    guess.py        the guess: shapes and ONNX metadata in, manifest out; pure
    tensors.py      what a model declares of its inputs and outputs, and the one input a picture goes into
    coco.py         the 80 labels of COCO
    onnxruntime.py  the backend for `.onnx` on the CPU; session.py opens its sessions, settle.py settles their shapes
    ort_cuda.py     the backend for `.onnx` on a GPU; operators.py tells which models it may run, and which record
    tensorrt.py     the backend for `.engine`; bound.py is what it shares with ort_cuda.py
    plan.py         an engine as TensorRT opens it; contexts.py runs it, engines.py tells whether it is for here
    device.py       the slots of a backend on a GPU
    library.py      the TensorRT that is installed, by what it has; engines.py tells of `.engine` files without it
    batcher.py      gathers the frames that share a run

The room knows tensors and files. It must never know what a box is, nor where frames come from.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

import numpy.typing as npt

from streamd.infer import files
from streamd.infer.device import DeviceSlots
from streamd.manifest import Manifest
from streamd.slots import SlotRing

Array = npt.NDArray[Any]
Spin = Literal["always", "running", "never"]


class Backend(Protocol):
    """A loaded model and the buffers of its slots.

    `input` and `outputs` may be called while another slot runs; `run` by one thread at a time.
    """

    manifest: Manifest
    ring: SlotRing
    batch: int  # most rows of one run

    def input(self, slot: int) -> Array:
        """Return the input rows of `slot`, (batch, C, H, W) of the manifest's dtype, to be written in place."""

    def run(self, slot: int, rows: int) -> None:
        """Run the model on the first `rows` rows of `slot`; raises ModelError. A GPU may still be at it then."""

    def outputs(self, slot: int, rows: int) -> tuple[Array, ...]:
        """Return the outputs of the run, in the manifest's order: views, valid until the slot is released."""

    def close(self) -> None:
        """Give back the model and its buffers; safe twice."""


@runtime_checkable
class DeviceBackend(Backend, Protocol):
    """A backend on a GPU, whose slots may also be filled and read there: see streamd/infer/device.py."""

    slots: DeviceSlots

    def enqueue(self, slot: int, rows: int) -> None:
        """Have the first `rows` rows of `slot` run, as they are in device memory; raises ModelError."""


def _onnxruntime(path: Path, sidecar: Manifest | None, *, batch: int, threads: int, device: str, spin: Spin) -> Backend:
    if device == "cpu":
        from streamd.infer import onnxruntime  # noqa: PLC0415 - a command that runs no model does not pay for it

        return onnxruntime.load(path, sidecar, batch=batch, threads=threads, spin=spin)
    from streamd.infer import ort_cuda  # noqa: PLC0415 - likewise

    return ort_cuda.load(path, sidecar, batch=batch, device=device)


def _tensorrt(path: Path, sidecar: Manifest | None, *, batch: int, threads: int, device: str, spin: Spin) -> Backend:
    from streamd.infer import tensorrt  # noqa: PLC0415 - likewise

    return tensorrt.load(path, sidecar, batch=batch, device=device)


BACKENDS: dict[str, Callable[..., Backend]] = {".onnx": _onnxruntime, ".engine": _tensorrt}


def load(path: Path, *, batch: int = 1, threads: int = 0, device: str = "cpu", spin: Spin = "running") -> Backend:
    """Load the model at `path` with the backend for its suffix, and run it once.

    Args:
        path: `.onnx` or `.engine`, with its manifest (see streamd/manifest.py) beside it or none.
        batch: most frames in one run; a model of a fixed, smaller batch lowers it and says so in the log.
        threads: of the CPU, 0 for one a core.
        device: `cpu`, or `cuda:N` for the N-th GPU.
        spin: whether the threads of a CPU backend burn a core while they wait; see `onnxruntime.load`.

    Raises:
        ModelError: the file or its manifest cannot be used.
        DeviceError: there is no such GPU, or it has no memory left.
    """
    sidecar = files.check(path, tuple(BACKENDS))
    return BACKENDS[path.suffix.lower()](path, sidecar, batch=batch, threads=threads, device=device, spin=spin)


__all__ = ["BACKENDS", "Array", "Backend", "DeviceBackend", "Spin", "load"]
