"""An engine as TensorRT opens it: its tensors, its profile, and the contexts that run it.

What versions differ in is asked of the objects themselves: a context without memory of its own is made by a strategy,
or by a method of that name until 10; memory is lent to it by a call with a size, or as an attribute until 10.0.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog

from streamd.errors import ModelError
from streamd.gpu.arrays import Stream
from streamd.infer import engines
from streamd.infer.library import Library
from streamd.infer.tensors import Tensor, shown
from streamd.manifest import Built

PROFILE = 0  # `streamd build` makes one; of an engine with more, the first
KEPT, LONGEST = 4, 300  # messages, characters of each

# By the names of TensorRT's enumeration: what numpy has and a kernel reads.
DTYPES = {
    "FLOAT": "float32", "HALF": "float16", "INT8": "int8", "INT32": "int32", "INT64": "int64", "UINT8": "uint8",
    "BOOL": "bool",
}  # fmt: skip


@dataclass(slots=True)
class Messages:
    """What TensorRT said went wrong since it was last asked; warnings and errors also go to the log."""

    lines: list[str] = field(default_factory=list)

    def __call__(self, severity: str, message: str) -> None:
        """Take a message, of TensorRT's log or of its error recorder: most errors come by both."""
        line = " ".join(message.split())[:LONGEST]
        if severity not in ("INTERNAL_ERROR", "ERROR", "WARNING") or line in self.lines:
            return
        structlog.get_logger().warning("TensorRT", severity=severity, says=line)
        if severity != "WARNING":
            self.lines = [*self.lines[1 - KEPT :], line]

    def taken(self) -> str:
        """Return what was kept, as one line, and forget it."""
        said, self.lines = "; ".join(self.lines), []
        return said or "TensorRT does not say why"


class Plan:
    """An engine, and what it was made by and must not outlive. Used under the GPU that is current when it is made."""

    def __init__(self, library: Library, path: Path, content: engines.Engine, built: Built | None) -> None:
        """Deserialise.

        Raises:
            ModelError: TensorRT does not take it.
        """
        self.path = path
        self.library = library
        self.messages = Messages()
        self._logger, self._recorder = library.logger(self.messages), library.recorder(self.messages)
        library.api.init_libnvinfer_plugins(self._logger, "")  # EfficientNMS_TRT and its like are plugins
        try:
            self._runtime = library.api.Runtime(self._logger)
        except (TypeError, RuntimeError) as error:  # what its bindings make of a null pointer
            raise ModelError(
                f"{path}: {library} does not start: {self.messages.taken()}", mend="`streamd doctor` tells more"
            ) from error
        self._runtime.error_recorder = self._recorder
        if built is not None and "--version-compatible" in built.options:
            # Such a plan brings the code that runs it: only of one that is known to be so is that let in.
            self._runtime.engine_host_code_allowed = True
        # A copy: behind a header the plan may begin at any address.
        self.engine = self._runtime.deserialize_cuda_engine(bytes(content.plan))
        if self.engine is None:
            command = engines.rebuild(path, built) if built else f"streamd build MODEL.onnx --out {path}"
            raise ModelError(f"{path}: {library} cannot load it: {self.messages.taken()}", mend=f"build it: {command}")
        names = [str(self.engine.get_tensor_name(index)) for index in range(self.engine.num_io_tensors)]
        fed = library.member("TensorIOMode", "INPUT")
        self.inputs = tuple(self._tensor(name) for name in names if self.engine.get_tensor_mode(name) == fed)
        self._given = tuple(self._tensor(name) for name in names if self.engine.get_tensor_mode(name) != fed)
        self._spare: Any = None  # a context that was made to ask of it

    @property
    def scratch_bytes(self) -> int:
        """The device memory that a run needs beside its tensors."""
        size = getattr(self.engine, "device_memory_size_v2", None)
        return int(self.engine.device_memory_size if size is None else size)

    def rows(self) -> tuple[int, int]:
        """Return the fewest and the most rows of a run; the same where the engine has but one."""
        (image,) = self.inputs
        if image.shape[0] >= 0:
            return image.shape[0], image.shape[0]
        low, _, high = self.engine.get_tensor_profile_shape(image.name, PROFILE)
        return int(low[0]), int(high[0])

    def usual_size(self) -> tuple[int, int]:
        """Return (width, height) that the engine was tuned for, of one that leaves them open."""
        _, usual, _ = self.engine.get_tensor_profile_shape(self.inputs[0].name, PROFILE)
        return int(usual[3]), int(usual[2])

    def outputs(self, shape: Sequence[int], stream: Stream) -> tuple[Tensor, ...]:
        """Return the outputs of a run on an input of `shape`, every side known.

        Raises:
            ModelError: the engine takes no such input, or the shape of an output hangs on what is seen.
        """
        context = self.context(stream)
        if context is None or not context.set_input_shape(self.inputs[0].name, tuple(shape)):
            raise ModelError(
                f"{self.path}: it takes no input of {shown(shape)}: {self.messages.taken()}",
                mend="set width and height in its manifest, or build it with --size",
            )
        self._spare = context
        made = [
            Tensor(tensor.name, tensor.dtype, tuple(int(side) for side in context.get_tensor_shape(tensor.name)))
            for tensor in self._given
        ]
        for tensor in made:
            if -1 in tensor.shape:
                raise ModelError(
                    f"{self.path}: the shape of {tensor} hangs on what is seen",
                    mend="export it without its last step, or with EfficientNMS, whose outputs have fixed sizes",
                )
        return tuple(made)

    def context(self, stream: Stream) -> Any | None:  # noqa: ANN401 - an IExecutionContext
        """Return an execution context that has no memory yet; None where another has taken the profile.

        Raises:
            ModelError: TensorRT makes none.
        """
        if self._spare is not None:
            context, self._spare = self._spare, None
            return context
        context = self._new()
        if context is None:
            raise ModelError(f"{self.path}: TensorRT makes no execution context: {self.messages.taken()}")
        static = all(-1 not in tensor.shape for tensor in self.inputs)
        if static or context.active_optimization_profile == PROFILE:
            return context
        try:
            context.set_optimization_profile_async(PROFILE, stream.ptr)
        except RuntimeError:  # so its bindings tell of a refusal
            self.messages.taken()
            return None
        stream.synchronize()
        return context

    def lend(self, context: Any, address: int) -> None:  # noqa: ANN401
        """Give `context` its scratch memory; contexts whose runs follow one another may share it."""
        if hasattr(context, "set_device_memory"):
            context.set_device_memory(address, self.scratch_bytes)
        else:
            context.device_memory = address

    def close(self) -> None:
        """Let go of everything, the youngest first; safe twice. The contexts are their owner's, and gone before."""
        self._spare = None
        self.engine = None
        self._runtime = None

    def _new(self) -> Any | None:  # noqa: ANN401
        managed = self.library.member("ExecutionContextAllocationStrategy", "USER_MANAGED")
        if managed is None:
            return self.engine.create_execution_context_without_device_memory()
        eager = self.library.member("DynamicShapesKernelSpecializationStrategy", "EAGER")
        if eager is None:
            return self.engine.create_execution_context(managed)
        # TensorRT-RTX compiles for a shape when it first meets it; in the background, a graph would keep the makeshift.
        config = self.engine.create_runtime_config()
        config.set_execution_context_allocation_strategy(managed)
        config.dynamic_shapes_kernel_specialization_strategy = eager
        return self.engine.create_execution_context(config)

    def _tensor(self, name: str) -> Tensor:
        engine = self.engine
        kind, form = engine.get_tensor_dtype(name), engine.get_tensor_format(name)
        shape = tuple(int(side) for side in engine.get_tensor_shape(name))
        if kind.name not in DTYPES:
            raise ModelError(
                f"{self.path}: tensor {name} {shown(shape)} is {kind.name}",
                mend="export and build it with inputs and outputs in float32 or float16",
            )
        if form.name != "LINEAR":
            raise ModelError(
                f"{self.path}: tensor {name} lies in memory as {form.name}", mend="build it without I/O formats"
            )
        if engine.get_tensor_location(name) != self.library.member("TensorLocation", "DEVICE"):
            raise ModelError(f"{self.path}: tensor {name} is wanted on the host", mend="export it with fixed sides")
        return Tensor(name, DTYPES[kind.name], shape)
