"""The backend for `.engine`: TensorRT 8.6 to 11, or TensorRT-RTX, on slots of device memory.

A run is of one of a few sizes: the fewest rows that the engine takes, then powers of 2, then the most; rows that are
not asked for are computed on whatever lies there. See contexts.py for how it runs.
"""

from pathlib import Path

import numpy as np
import structlog

from streamd.errors import ModelError
from streamd.gpu.device import Gpu, open_gpu
from streamd.infer import engines, library
from streamd.infer.bound import Bound
from streamd.infer.contexts import Contexts
from streamd.infer.describe import describe
from streamd.infer.device import DeviceSlots
from streamd.infer.files import sha256
from streamd.infer.library import Library
from streamd.infer.plan import Plan
from streamd.infer.tensors import Tensor, image_of, shown, size_of
from streamd.manifest import Manifest


class TensorRT(Bound):
    """A DeviceBackend over one engine; it owns the plan, the contexts and the slots."""

    def __init__(self, plan: Plan, described: Manifest, batch: int, slots: DeviceSlots, unread: list[Tensor]) -> None:
        """Run every size once; `unread` are outputs that no head reads, which TensorRT still writes.

        Raises:
            ModelError: the engine cannot be run.
            DeviceError: the GPU has no memory left.
        """
        super().__init__(described, batch, slots)
        self._plan = plan
        memory = {tensor.name: slots.gpu.zeros(tensor.shape, tensor.dtype) for tensor in unread}
        self._contexts: Contexts | None = Contexts(plan, slots, described.input.name, memory)

    def close(self) -> None:
        """Wait for what runs, then let go of contexts, engine and memory, in that order; safe twice."""
        self.slots.close()
        if self._contexts is not None:
            self._contexts.close()
            self._contexts = None
        with self.slots.gpu.active():
            self._plan.close()

    def _launch(self, slot: int, rows: int) -> None:
        if self._contexts is None:
            raise ValueError("a run of what is closed")
        with self.slots.timeline.running(slot):
            self._contexts.launch(slot, rows)


def load(path: Path, sidecar: Manifest | None, *, batch: int, device: str, found: Library | None = None) -> TensorRT:
    """Open the engine at `path` on `device` (`cuda:N`), describe it, and run every size of batch once.

    `found` is the TensorRT that runs it, None for the one that is installed.

    Raises:
        ModelError: the engine or its manifest cannot be used here; both sides are named, and the command that mends it.
        DeviceError: there is no such GPU, or it has no memory left.
    """
    if device == "cpu":
        raise ModelError(f"{path}: an engine runs on a GPU", mend="set device: cuda:0, or path to the .onnx")
    gpu = open_gpu(device)
    found = found or library.find()
    content = engines.read(path)
    check(path, sidecar, found, gpu)
    with gpu.active():
        plan = Plan(found, path, content, sidecar.built if sidecar else None)
        try:
            return _open(plan, sidecar, content, batch, gpu)
        except BaseException:
            plan.close()
            raise


def check(path: Path, sidecar: Manifest | None, found: Library, gpu: Gpu) -> None:
    """Refuse an engine that its manifest says is not for here; where it says nothing, TensorRT will.

    Raises:
        ModelError: both sides are named, and the command that builds it anew.
    """
    if sidecar is None or sidecar.built is None:
        return
    onnx = path.parent / sidecar.built.onnx
    digest = sha256(onnx) if onnx.is_file() else ""
    here = engines.Here(found.name, found.version, gpu.name, gpu.compute_capability, digest)
    for warning in engines.check(path, sidecar.built, here):
        structlog.get_logger().warning(warning)


def _open(plan: Plan, sidecar: Manifest | None, content: engines.Engine, batch: int, gpu: Gpu) -> TensorRT:
    image = image_of(plan.path, plan.inputs, _size(plan, sidecar, content))
    rows = _rows(plan, batch)
    memory = max(rows, plan.rows()[0])
    made = plan.outputs((memory, image.channels, image.height, image.width), gpu.stream())
    fed = Tensor(image.name, image.dtype, (image.batch or -1, image.channels, image.height, image.width))
    given = [Tensor(one.name, one.dtype, (image.batch or -1, *one.shape[1:])) if one.shape else one for one in made]
    described = describe(plan.path, sidecar, [fed], given, content.metadata)
    read = {output.name for output in described.outputs}
    for tensor in made:
        if tensor.name in read and tensor.shape[:1] != (memory,):
            raise ModelError(
                f"{plan.path}: output {tensor.name} is {shown(tensor.shape)} for a batch of {memory}: its first side "
                "is no batch",
                mend="set batch: 1" if memory > 1 else "export it with a batch first",
            )
    known = {tensor.name: (tensor.shape[1:], np.dtype(tensor.dtype)) for tensor in made if tensor.name in read}
    slots = DeviceSlots(gpu, described, memory, known)
    try:
        return TensorRT(plan, described, rows, slots, [tensor for tensor in made if tensor.name not in read])
    except BaseException:
        slots.close()
        raise


def _size(plan: Plan, sidecar: Manifest | None, content: engines.Engine) -> tuple[int, int]:
    """Return (width, height) of an input that leaves them open."""
    if sidecar is not None:
        return sidecar.input.width, sidecar.input.height
    if "imgsz" in content.metadata or len(plan.inputs) != 1 or -1 not in plan.inputs[0].shape[2:]:
        return size_of(content.metadata)
    return plan.usual_size()


def _rows(plan: Plan, asked: int) -> int:
    """Return the most frames that share a run: what was asked, or what the engine takes."""
    least, most = plan.rows()
    if asked > most:
        note = "the engine takes fewer frames in a run than asked"
    elif asked < least:
        note = "the engine takes no fewer frames in a run: one of fewer takes as long"
    else:
        return asked
    structlog.get_logger().warning(note, model=str(plan.path), asked=asked, least=least, most=most)
    return min(asked, most)
