"""What runs an engine: an execution context and a CUDA graph for each slot and each size of run.

A context's shapes and addresses are set once, it runs once, and what that put on the stream is captured; afterwards a
run is one launch. All contexts share one scratch memory, since runs follow one another on one stream. Where a graph is
refused the context is put on the stream as it is. Engines of TensorRT 8.6 let one context use a profile, unless they
were built with PROFILE_SHARING_0806: then there is one context, set anew for each run.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import structlog

from streamd.errors import DeviceError, ModelError
from streamd.gpu.arrays import DeviceArray
from streamd.infer.device import DeviceSlots
from streamd.infer.plan import Plan

SHARED = "PROFILE_SHARING_0806"


class Contexts:
    """The contexts of one engine on the slots of one model; they are made here, and let go of before either."""

    def __init__(self, plan: Plan, slots: DeviceSlots, image: str, unread: Mapping[str, DeviceArray]) -> None:
        """Make them and run each once. `image` is the input's name; `unread` takes the outputs that have no slot.

        Raises:
            ModelError: the engine cannot be run.
            DeviceError: the GPU has no memory left.
        """
        self._plan = plan
        self._slots = slots
        self._image = image
        self._unread = unread
        self._sizes = sizes(plan.rows()[0], slots.rows)
        self._scratch = slots.gpu.zeros((max(1, plan.scratch_bytes),), np.uint8)
        self._graphs = True
        self._made: list[Any] = []
        self._launches: dict[tuple[int, int], Callable[[], None]] = {}
        with slots.gpu.active():
            self._prepare()
        slots.timeline.close()

    def launch(self, slot: int, rows: int) -> None:
        """Put the smallest run on the stream that has room for `rows` rows; call it where `slot` is running.

        Raises:
            ModelError: TensorRT failed; its own words are in the message.
        """
        size = next(size for size in self._sizes if size >= rows)
        self._launches[slot, size]()

    def close(self) -> None:
        """Let go of graphs and contexts, of which none may still run; safe twice."""
        with self._slots.gpu.active():
            self._launches.clear()
            self._made.clear()

    def _prepare(self) -> None:
        """Make a context for each slot and size, the largest size first: what it allocates suffices for the others."""
        for size in reversed(self._sizes):
            for slot in range(len(self._slots.ring)):
                context = self._context()
                if context is None:
                    self._share()
                    return
                self._made.append(context)
                self._set(context, slot, size)
                self._launches[slot, size] = self._warm(context, slot)

    def _context(self) -> Any | None:  # noqa: ANN401 - an IExecutionContext
        context = self._plan.context(self._slots.timeline.run_stream)
        if context is not None:
            self._plan.lend(context, self._slots.gpu.address(self._scratch))
        return context

    def _share(self) -> None:
        """Go on with the one context that the engine's profile allows."""
        if not self._made:
            raise ModelError(f"{self._plan.path}: its profile cannot be used: {self._plan.messages.taken()}")
        structlog.get_logger().warning(
            f"the engine was built without {SHARED}: one context for all slots, and no CUDA graphs",
            model=str(self._plan.path),
        )
        del self._made[1:]
        for size in self._sizes:
            for slot in range(len(self._slots.ring)):
                self._launches[slot, size] = self._anew(self._made[0], slot, size)
                with self._slots.timeline.running(slot):
                    self._launches[slot, size]()

    def _anew(self, context: Any, slot: int, size: int) -> Callable[[], None]:  # noqa: ANN401
        def launch() -> None:
            self._set(context, slot, size)
            self._execute(context)

        return launch

    def _set(self, context: Any, slot: int, size: int) -> None:  # noqa: ANN401
        gpu, image = self._slots.gpu, self._slots.inputs[slot]
        bound = {self._image: image, **self._slots.outputs[slot], **self._unread}
        done = context.set_input_shape(self._image, (size, *image.shape[1:])) and all(
            context.set_tensor_address(name, gpu.address(array)) for name, array in bound.items()
        )
        if not done:
            raise ModelError(f"{self._plan.path}: it takes no run of {size} rows: {self._plan.messages.taken()}")

    def _warm(self, context: Any, slot: int) -> Callable[[], None]:  # noqa: ANN401
        """Run a context once, as a capture wants it, and return what launches it: a graph where there can be one."""
        with self._slots.timeline.running(slot) as stream:
            self._execute(context)
            stream.synchronize()
            if self._graphs:
                try:
                    if not getattr(context, "is_stream_capturable", lambda _: True)(stream.ptr):
                        raise DeviceError("the engine cannot be captured")
                    return self._slots.gpu.capture(lambda: self._execute(context), stream)
                except (DeviceError, ModelError) as error:
                    self._graphs = False
                    self._plan.messages.taken()
                    structlog.get_logger().info("no CUDA graphs", model=str(self._plan.path), reason=str(error))
        return lambda: self._execute(context)

    def _execute(self, context: Any) -> None:  # noqa: ANN401
        if not context.execute_async_v3(self._slots.timeline.run_stream.ptr):
            raise ModelError(f"{self._plan.path}: a run failed: {self._plan.messages.taken()}")


def sizes(least: int, most: int) -> tuple[int, ...]:
    """Return the rows that runs have: `least`, then the powers of 2 between, then `most`."""
    between = (1 << power for power in range(most.bit_length()))
    return tuple(sorted({least, most, *(size for size in between if least < size < most)}))
