"""The backend for `.engine`: TensorRT 8.6 to 11, or TensorRT-RTX, on slots of device memory.

A slot has an execution context for each size of run (the fewest rows that the engine takes, then powers of 2, then the
most), its shapes and addresses set once and a CUDA graph captured of it; a run launches the smallest that fits, and
rows that are not asked for are computed on whatever lies there. All contexts share one scratch memory, since runs
follow one another on one stream. Where a graph is refused the context is put on the stream as it is. Engines of
TensorRT 8.6 let one context use a profile, unless they were built with PROFILE_SHARING_0806: then there is one
context, set anew for each run.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import structlog

from streamd.errors import DeviceError, ModelError
from streamd.gpu.arrays import DeviceArray
from streamd.gpu.device import Gpu, open_gpu
from streamd.infer import Array, engines, library
from streamd.infer.describe import describe
from streamd.infer.device import DeviceSlots
from streamd.infer.files import sha256
from streamd.infer.library import Library
from streamd.infer.plan import SHARED, Plan
from streamd.infer.tensors import Tensor, image_of, shown, size_of
from streamd.manifest import Manifest


class TensorRT:
    """A DeviceBackend (see streamd/infer/__init__.py) over one engine; it owns the plan, the contexts and the slots."""

    def __init__(self, plan: Plan, described: Manifest, batch: int, slots: DeviceSlots, unread: list[Tensor]) -> None:
        """Make the contexts and run each once; `unread` are outputs that no head reads, which TensorRT still writes.

        Raises:
            ModelError: the engine cannot be run.
            DeviceError: the GPU has no memory left.
        """
        self.manifest = described
        self.batch = batch
        self.slots = slots
        self.ring = slots.ring
        self._plan = plan
        self._sizes = sizes(plan.rows()[0], slots.rows)
        self._scratch: DeviceArray | None = slots.gpu.zeros((max(1, plan.scratch_bytes),), np.uint8)
        self._unread = {tensor.name: slots.gpu.zeros(tensor.shape, tensor.dtype) for tensor in unread}
        self._graphs = True
        self._alone: Any = None  # the one context, where there can be no more
        self._contexts: list[Any] = []
        self._launches: dict[tuple[int, int], Callable[[], None]] = {}
        with slots.gpu.active():
            self._prepare()
        slots.timeline.close()

    def input(self, slot: int) -> Array:
        """Return the input rows of `slot` on the host, (batch, C, H, W), to be written in place before `run`."""
        return self.slots.mirror(slot)[: self.batch]

    def run(self, slot: int, rows: int) -> None:
        """Bring the first `rows` rows of `slot` to the GPU and have them run; ModelError when TensorRT fails."""
        self.slots.upload(slot, rows)
        self.enqueue(slot, rows)

    def enqueue(self, slot: int, rows: int) -> None:
        """Have the first `rows` rows of `slot` run, as they are in device memory.

        Raises:
            ModelError: TensorRT failed; its own words are in the message.
        """
        if not 1 <= rows <= self.batch:
            raise ValueError(f"{rows} rows in a backend of 1 to {self.batch}")
        size = next(size for size in self._sizes if size >= rows)
        with self.slots.timeline.running(slot):
            self._launches[slot, size]()

    def outputs(self, slot: int, rows: int) -> tuple[Array, ...]:
        """Wait for the run; return the first `rows` rows of each output on the host, valid until the slot is free."""
        held = self.slots.download(slot, rows)
        return tuple(held[output.name] for output in self.manifest.outputs)

    def close(self) -> None:
        """Wait for what runs, then let go of graphs, contexts, engine and memory, in that order; safe twice."""
        self.slots.close()
        with self.slots.gpu.active():
            self._launches.clear()
            self._contexts.clear()
            self._alone = None
            self._plan.close()
        self._scratch = None
        self._unread.clear()

    def _prepare(self) -> None:
        """Make a context for each slot and size, the largest size first: what it allocates suffices for the others."""
        for size in reversed(self._sizes):
            for slot in range(len(self.ring)):
                context = self._context()
                if context is None:
                    self._share()
                    return
                self._contexts.append(context)
                self._set(context, slot, size)
                self._launches[slot, size] = self._warm(context, slot)

    def _context(self) -> Any | None:  # noqa: ANN401 - an IExecutionContext
        context = self._plan.context(self.slots.timeline.run_stream)
        if context is not None and self._scratch is not None:
            self._plan.lend(context, self.slots.gpu.address(self._scratch))
        return context

    def _share(self) -> None:
        """Go on with the one context that the engine's profile allows."""
        if not self._contexts:
            raise ModelError(f"{self._plan.path}: its profile cannot be used: {self._plan.messages.taken()}")
        structlog.get_logger().warning(
            f"the engine was built without {SHARED}: one context for all slots, and no CUDA graphs",
            model=str(self._plan.path),
        )
        self._alone = self._contexts[0]
        self._contexts.clear()
        for size in self._sizes:
            for slot in range(len(self.ring)):
                self._launches[slot, size] = self._anew(slot, size)
                with self.slots.timeline.running(slot):
                    self._launches[slot, size]()

    def _anew(self, slot: int, size: int) -> Callable[[], None]:
        def launch() -> None:
            self._set(self._alone, slot, size)
            self._execute(self._alone)

        return launch

    def _set(self, context: Any, slot: int, size: int) -> None:  # noqa: ANN401
        gpu, image = self.slots.gpu, self.slots.inputs[slot]
        name = self.manifest.input.name
        bound = {name: image} | self.slots.outputs[slot] | self._unread
        done = context.set_input_shape(name, (size, *image.shape[1:])) and all(
            context.set_tensor_address(each, gpu.address(array)) for each, array in bound.items()
        )
        if not done:
            raise ModelError(f"{self._plan.path}: it takes no run of {size} rows: {self._plan.messages.taken()}")

    def _warm(self, context: Any, slot: int) -> Callable[[], None]:  # noqa: ANN401
        """Run a context once, as a capture wants it, and return what launches it: a graph where there can be one."""
        with self.slots.timeline.running(slot) as stream:
            self._execute(context)
            stream.synchronize()
            if self._graphs:
                try:
                    if not getattr(context, "is_stream_capturable", lambda _: True)(stream.ptr):
                        raise DeviceError("the engine cannot be captured")
                    return self.slots.gpu.capture(lambda: self._execute(context), stream)
                except (DeviceError, ModelError) as error:
                    self._graphs = False
                    self._plan.messages.taken()
                    structlog.get_logger().info("no CUDA graphs", model=str(self._plan.path), reason=str(error))
        return lambda: self._execute(context)

    def _execute(self, context: Any) -> None:  # noqa: ANN401
        if not context.execute_async_v3(self.slots.timeline.run_stream.ptr):
            raise ModelError(f"{self._plan.path}: a run failed: {self._plan.messages.taken()}")


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


def sizes(least: int, most: int) -> tuple[int, ...]:
    """Return the rows that runs have: `least`, then the powers of 2 between, then `most`."""
    between = (1 << power for power in range(most.bit_length()))
    return tuple(sorted({least, most, *(size for size in between if least < size < most)}))
