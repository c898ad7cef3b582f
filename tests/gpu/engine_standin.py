"""A TensorRT of the GPU's own: the calls of the real one, and an engine that is a chain of CuPy kernels.

A dozen layers keep the GPU busy, then come outputs in YOLOv8's layout with one box a picture, whose score is the
picture's grey. `OnGpu` and `OnHost` do the sum; `Api` stands for the module tensorrt. For engine_check.py.
"""

import enum
import importlib
from types import SimpleNamespace

import numpy as np

SIDE, ANCHORS, CLASSES, BATCH = 640, 8400, 80, 16
LAYERS, CELLS = 12, 32768  # of the engine; floats a row of its scratch memory
RUN_S = 3e-3  # that a full run is made to take

SOURCE = r"""
extern "C" __global__ void layer(float* scratch, int count, int turns) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= count) return;
    float v = scratch[i];
    for (int t = 0; t < turns; ++t) v = fmaf(v, 0.999f, 0.001f);
    scratch[i] = v;
}
extern "C" __global__ void head(const float* image, float* out, int side, int anchors, int columns) {
    int a = blockIdx.x * blockDim.x + threadIdx.x, c = blockIdx.y, b = blockIdx.z;
    if (a >= anchors) return;
    float v = c < 2 ? 320.0f : c < 4 ? 100.0f : 0.0f;
    if (a == 0 && c == 4) v = image[((size_t)b * 3 * side + side / 2) * side + side / 2];
    out[((size_t)b * columns + c) * anchors + a] = v;
}
"""


class OnGpu:
    """The engine's kernels."""

    def __init__(self, gpu):
        self.cupy, self._gpu = importlib.import_module("cupy"), gpu
        with gpu.active():
            module = self.cupy.RawModule(code=SOURCE)
            self._layer, self._head = module.get_function("layer"), module.get_function("head")
            self.turns = 1000
            self.turns = max(1, round(self.turns * RUN_S / self._seconds()))

    def array(self, address, floats):
        return self._gpu.memory(address, 4 * floats, None).view(np.float32)

    def __call__(self, handle, rows, scratch, image, out):
        with self.cupy.cuda.ExternalStream(handle):
            count = rows * CELLS
            for _ in range(LAYERS):
                self._layer((count // 256,), (256,), (scratch, np.int32(count), np.int32(self.turns)))
            sides = (np.int32(SIDE), np.int32(ANCHORS), np.int32(4 + CLASSES))
            self._head(((ANCHORS + 255) // 256, 4 + CLASSES, rows), (256,), (image, out, *sides))

    def forbidden(self, handle):
        """Do what no capture allows; tell whether it went well."""
        try:
            self.cupy.cuda.ExternalStream(handle).synchronize()
        except self.cupy.cuda.runtime.CUDARuntimeError:
            return False
        return True

    def pool(self):
        return self.cupy.get_default_memory_pool()

    def _seconds(self):
        stream, scratch = self._gpu.stream(), self._gpu.zeros((BATCH * CELLS,), np.float32)
        times = []
        for _ in range(5):
            begin, end = self._gpu.event(), self._gpu.event()
            with stream:
                begin.record(stream)
                for _ in range(LAYERS):
                    arguments = (scratch, np.int32(scratch.size), np.int32(self.turns))
                    self._layer((scratch.size // 256,), (256,), arguments)
                end.record(stream)
            end.synchronize()
            times.append(self._gpu.elapsed_s(begin, end))
        return min(times)


class OnHost:
    """The same sum, without the layers."""

    turns = 0

    def __init__(self, gpu):
        self._gpu = gpu

    def array(self, address, floats):
        return self._gpu.memory(address, 4 * floats, None).view(np.float32)

    def __call__(self, handle, rows, scratch, image, out):
        made = out[: rows * (4 + CLASSES) * ANCHORS].reshape(rows, 4 + CLASSES, ANCHORS)
        made[:, :2], made[:, 2:4], made[:, 4:] = 320, 100, 0
        made[:, 4, 0] = image[: rows * 3 * SIDE * SIDE].reshape(rows, 3, SIDE, SIDE)[:, 0, SIDE // 2, SIDE // 2]

    def forbidden(self, handle):
        return not self._gpu.capturing

    def pool(self):
        return SimpleNamespace(used_bytes=lambda: 0, total_bytes=lambda: 0)


class Context:
    """An IExecutionContext."""

    def __init__(self, api):
        self._api, self._memory, self._rows = api, {}, 0
        self.active_optimization_profile = 0

    def set_device_memory(self, memory, size):
        assert size == 4 * BATCH * CELLS
        self._memory["scratch"] = self._api.work.array(memory, BATCH * CELLS)

    def set_input_shape(self, name, shape):
        self._rows = shape[0]
        return name == "images" and tuple(shape[1:]) == (3, SIDE, SIDE) and 1 <= shape[0] <= BATCH

    def get_tensor_shape(self, name):
        return (self._rows, *self._api.tensors[name])

    def set_tensor_address(self, name, memory):
        self._memory[name] = self._api.work.array(memory, self._rows * int(np.prod(self._api.tensors[name])))
        return True

    def execute_async_v3(self, stream_handle):
        self._api.executed += 1
        if self._api.uncapturable and not self._api.work.forbidden(stream_handle):
            self._api.recorder.report_error(1, "operation not permitted when stream is capturing")
            return False
        memory = self._memory
        self._api.work(stream_handle, self._rows, memory["scratch"], memory["images"], memory["output0"])
        return True


class Engine:
    """An ICudaEngine."""

    num_io_tensors, device_memory_size_v2 = 2, 4 * BATCH * CELLS

    def __init__(self, api):
        self._api = api

    def get_tensor_name(self, index):
        return list(self._api.tensors)[index]

    def get_tensor_mode(self, name):
        return self._api.TensorIOMode["INPUT" if name == "images" else "OUTPUT"]

    def get_tensor_dtype(self, name):
        return self._api.DataType.FLOAT

    def get_tensor_format(self, name):
        return self._api.TensorFormat.LINEAR

    def get_tensor_location(self, name):
        return self._api.TensorLocation.DEVICE

    def get_tensor_shape(self, name):
        return (-1, *self._api.tensors[name])

    def get_tensor_profile_shape(self, name, profile_index):
        return [(rows, *self._api.tensors[name]) for rows in (1, 4, BATCH)]

    def create_execution_context(self, strategy):
        assert strategy is self._api.ExecutionContextAllocationStrategy.USER_MANAGED
        return Context(self._api)


class Api:
    """What stands for the module tensorrt. `executed` counts the runs that were put on a stream or into a graph."""

    TensorIOMode = enum.Enum("TensorIOMode", ["INPUT", "OUTPUT"])
    DataType = enum.Enum("DataType", ["FLOAT"])
    TensorFormat = enum.Enum("TensorFormat", ["LINEAR"])
    TensorLocation = enum.Enum("TensorLocation", ["DEVICE", "HOST"])
    ExecutionContextAllocationStrategy = enum.Enum("Strategy", ["STATIC", "USER_MANAGED"])
    ILogger = IErrorRecorder = object
    tensors = {"images": (3, SIDE, SIDE), "output0": (4 + CLASSES, ANCHORS)}  # noqa: RUF012 - it never changes

    def __init__(self, work, *, uncapturable=False):
        self.work, self.uncapturable = work, uncapturable
        self.executed, self.recorder = 0, None

    def init_libnvinfer_plugins(self, logger, namespace):
        pass

    def Runtime(self, logger):
        def deserialize(plan):
            self.recorder = runtime.error_recorder
            return Engine(self)

        runtime = SimpleNamespace(deserialize_cuda_engine=deserialize)
        return runtime
