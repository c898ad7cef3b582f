"""A TensorRT whose engines are ONNX files: they run on ONNX Runtime, at the addresses that they are given.

What a version has is what was recorded of its bindings (tests/engine/recorded.json): anything else is an error here.
What is pretended is what stands in TensorRT's documentation of the calls: a context must have its memory, profile,
shape and addresses before it runs, and returns false and says why where it has not.
"""

from collections import Counter
from functools import partial

import numpy as np
import onnxruntime

from streamd.errors import DeviceError
from streamd.infer.library import Library
from tests.engine.recorded import Recorded
from tests.gpu.host_gpu import HostGpu

VERSIONS = ("tensorrt 8.6.1", "tensorrt 10.3.0", "tensorrt 10.16.1.11", "tensorrt 11.4.0.106", "tensorrt_rtx 1.7.1.116")
SCRATCH = 4096
KINDS = {"tensor(float)": "FLOAT", "tensor(float16)": "HALF", "tensor(int32)": "INT32", "tensor(int64)": "INT64",
         "tensor(uint8)": "UINT8", "tensor(bool)": "BOOL"}  # fmt: skip


class GraphGpu(HostGpu):
    """A host whose work is recorded and replayed as CUDA graphs are; `graphs` False refuses."""

    name = "NVIDIA Stand-in"
    compute_capability = "8.9"

    def __init__(self, kernels, graphs=True):
        super().__init__(self)
        self._kernels = kernels
        self.graphs = graphs
        self.recording = None
        self.launched = 0

    def get(self, file, name):
        """Return a kernel; it is recorded, not run, while there is a recording."""
        launch = self._kernels.get(file, name)
        return lambda *arguments, **options: self._do(partial(launch, *arguments, **options))

    def upload(self, host, to, stream):
        self._do(partial(super().upload, host, to, stream))

    def download(self, array, to, stream):
        self._do(partial(super().download, array, to, stream))

    def _do(self, step):
        if self.recording is None:
            step()
        else:
            self.recording.append(step)

    def capture(self, work, stream):
        if not self.graphs:
            raise DeviceError("cuda:0: no CUDA graph of it: cudaErrorStreamCaptureUnsupported")
        self.recording = []
        try:
            work()
        finally:
            recorded, self.recording = self.recording, None

        def launch():
            self.launched += 1
            for step in recorded:
                step()

        return launch


class Dims:
    """A shape as the bindings return it: no tuple, though it has a length and is indexed."""

    def __init__(self, sides):
        self._sides = tuple(sides)

    def __len__(self):
        return len(self._sides)

    def __getitem__(self, index):
        return self._sides[index]


class StandIn:
    """`library` is what runs the engines. `profile` are the rows of a run, of an engine that leaves them open.

    `refuses` names what fails: "plan", "profile" (of a second context), "run", "capture". `kinds`, `forms` and
    `places` are other types, memory formats and locations, by tensor.
    """

    def __init__(
        self, version, gpu, *, profile=(1, 4, 8), size=(8, 8), refuses=(), kinds=None, forms=None, places=None
    ):
        self.gpu = gpu
        self.profile = profile
        self.size = size
        self.refuses = refuses
        self.kinds, self.forms, self.places = kinds or {}, forms or {}, places or {}
        self.runs = []  # the shape of the input of each run, once it has run
        self.contexts = 0
        own = {
            name.replace("_", ".", 1): getattr(self, name) for name in dir(self) if name.startswith(("I", "Runtime"))
        }
        self.api = Recorded(version, **own)
        self.library = Library(self.api, version.split()[0], self.api.__version__)
        self._runtime = None

    def calls(self):
        """How often each method was called."""
        return Counter(name for name, _ in self.api.calls)

    # Runtime

    def Runtime_deserialize_cuda_engine(self, runtime, plan):
        self._runtime = runtime
        if "plan" in self.refuses:
            runtime_says(runtime, self.api.calls, "The engine plan file is generated on an incompatible device")
            return None
        engine = self.api.made("ICudaEngine")
        object.__setattr__(engine, "_session", onnxruntime.InferenceSession(plan, providers=["CPUExecutionProvider"]))
        session = engine._session
        engine._values.update(num_io_tensors=len(session.get_inputs()) + len(session.get_outputs()))
        engine._values.update(dict.fromkeys(("device_memory_size", "device_memory_size_v2"), SCRATCH))
        return engine

    # ICudaEngine

    def ICudaEngine_get_tensor_name(self, engine, index):
        return [*nodes(engine)][index]

    def ICudaEngine_get_tensor_mode(self, engine, name):
        fed = name in {node.name for node in engine._session.get_inputs()}
        return self.api.TensorIOMode["INPUT" if fed else "OUTPUT"]

    def ICudaEngine_get_tensor_dtype(self, engine, name):
        return self.api.DataType[self.kinds.get(name) or KINDS[nodes(engine)[name].type]]

    def ICudaEngine_get_tensor_format(self, engine, name):
        return self.api.TensorFormat[self.forms.get(name, "LINEAR")]

    def ICudaEngine_get_tensor_location(self, engine, name):
        return self.api.TensorLocation[self.places.get(name, "DEVICE")]

    def ICudaEngine_get_tensor_shape(self, engine, name):
        return Dims(side if isinstance(side, int) else -1 for side in nodes(engine)[name].shape)

    def ICudaEngine_get_tensor_profile_shape(self, engine, name, profile_index):
        assert profile_index == 0
        _, channels, *_ = nodes(engine)[name].shape
        return [Dims((rows, channels, *reversed(self.size))) for rows in self.profile]

    def ICudaEngine_create_execution_context_without_device_memory(self, engine):
        return self._context(engine)

    def ICudaEngine_create_runtime_config(self, engine):
        return self.api.made("IRuntimeConfig")

    def IRuntimeConfig_set_execution_context_allocation_strategy(self, config, strategy):
        config._values["strategy"] = strategy

    def ICudaEngine_create_execution_context(self, engine, strategy):
        if strategy != self.api.ExecutionContextAllocationStrategy.USER_MANAGED:
            assert strategy._values["strategy"] == self.api.ExecutionContextAllocationStrategy.USER_MANAGED
            eager = self.api.DynamicShapesKernelSpecializationStrategy.EAGER
            assert strategy.dynamic_shapes_kernel_specialization_strategy == eager
        return self._context(engine)

    # IExecutionContext

    def IExecutionContext_set_optimization_profile_async(self, context, profile_index, stream_handle):
        if "profile" in self.refuses:
            self._say(context, "Profile 0 has been chosen for another IExecutionContext")
            raise RuntimeError("Error in set optimization profile async.")
        context._values["active_optimization_profile"] = profile_index
        return True

    def IExecutionContext_set_device_memory(self, context, memory, size):
        assert size >= SCRATCH
        context._values["device_memory"] = memory

    def IExecutionContext_set_input_shape(self, context, name, shape):
        if context.active_optimization_profile != 0:
            return self._say(context, "no optimization profile is set")
        fixed = nodes(context._engine)[name].shape
        low, _, high = self.profile
        fits = all(side == given for side, given in zip(fixed[1:], shape[1:], strict=True) if isinstance(side, int))
        fits &= low <= shape[0] <= high if isinstance(fixed[0], str) else shape[0] == fixed[0]
        if not fits:
            return self._say(context, f"the shape {tuple(shape)} of {name} is outside of the profile")
        context._shapes[name] = tuple(shape)
        object.__setattr__(context, "_ran", False)
        return True

    def IExecutionContext_get_tensor_shape(self, context, name):
        """Known once the input is; what hangs on what is seen is -1."""
        declared = nodes(context._engine)[name].shape
        batch = context._engine._session.get_inputs()[0].shape[0]
        ((rows, *_),) = context._shapes.values()
        return Dims(rows if side == batch else side if isinstance(side, int) else -1 for side in declared)

    def IExecutionContext_set_tensor_address(self, context, name, memory):
        context._addresses[name] = memory
        return True

    def IExecutionContext_is_stream_capturable(self, context, stream):
        return "capture" not in self.refuses

    def IExecutionContext_execute_async_v3(self, context, stream_handle):
        missing = set(nodes(context._engine)) - set(context._addresses)
        if "run" in self.refuses or not context._values.get("device_memory") or missing:
            return self._say(context, f"enqueueV3: no memory for {', '.join(missing) or 'the context'}")
        step = Step(self, context)
        if self.gpu.recording is None:
            step()
            object.__setattr__(context, "_ran", True)
        elif context._ran:
            self.gpu.recording.append(step)
        else:  # what a first run of a shape does cannot be captured
            return self._say(context, "enqueueV3: not permitted when stream is capturing")
        return True

    def _context(self, engine):
        made = self.api.made("IExecutionContext", active_optimization_profile=-1 if self.contexts else 0)
        object.__setattr__(made, "_engine", engine)
        object.__setattr__(made, "_shapes", {})
        object.__setattr__(made, "_addresses", {})
        self.contexts += 1
        if all(isinstance(side, int) for node in engine._session.get_inputs() for side in node.shape):
            made._values["active_optimization_profile"] = 0
        return made

    def _say(self, context, message):
        runtime_says(self._runtime, self.api.calls, message)
        return False


class Step:
    """One run, its shape and addresses as they were when it was put on the stream."""

    def __init__(self, standin, context):
        self._standin = standin
        self._session = context._engine._session
        self._shapes, self._addresses = dict(context._shapes), dict(context._addresses)

    def __call__(self):
        fed = {name: self._at(name, shape, node_dtype(self._session, name)) for name, shape in self._shapes.items()}
        names = [node.name for node in self._session.get_outputs()]
        for name, value in zip(names, self._session.run(names, fed), strict=True):
            self._at(name, value.shape, value.dtype)[...] = value
        self._standin.runs += [self._shapes[name] for name in self._shapes]

    def _at(self, name, shape, dtype):
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        return self._standin.gpu.memory(self._addresses[name], size, None).view(dtype).reshape(shape)


def runtime_says(runtime, calls, message):
    """By the error recorder, and by the logger that the runtime was made with."""
    runtime.error_recorder.report_error(3, message)
    logger = next(given[0] for name, given in calls if name == "Runtime")
    logger.log(logger.Severity.ERROR, f"3: [runtime.cpp::deserialize::1] {message}")


def nodes(engine):
    session = engine._session
    return {node.name: node for node in (*session.get_inputs(), *session.get_outputs())}


def node_dtype(session, name):
    kind = next(node.type for node in session.get_inputs() if node.name == name)
    return {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(uint8)": np.uint8}[kind]
