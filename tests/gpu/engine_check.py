"""Engines on a GPU: `python tests/gpu/engine_check.py [cuda:0 | host] [batches]`; exit 1 if anything is wrong.

TensorRT is a stand-in with the same calls, whose engine is a chain of CuPy kernels: a dozen layers that keep the GPU
busy, then outputs in YOLOv8's layout with one box a picture, whose score is the picture's grey. All else is what the
daemon has: streamd/infer/tensorrt.py with its contexts and graphs, the slots, the kernels before and behind, and the
three stages on their threads. When each step ran is told by its events. With `host` nothing runs on a GPU: only the
script is tried then, and no time means anything.
"""

import enum
import importlib
import sys
import tempfile
import warnings
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import structlog

from streamd import bundled
from streamd.clock import StopGroup, SystemClock
from streamd.corridor import Finish, Prepare, Run
from streamd.flow.pipeline import Pipeline
from streamd.flow.stage import Feed, chain
from streamd.frames import Frame, Surface
from streamd.gpu.device import open_gpu
from streamd.infer import tensorrt
from streamd.infer.library import Library
from streamd.manifest import Input, Manifest
from streamd.metrics import Metrics
from streamd.postprocess import DeviceHead
from streamd.preprocess import DevicePreprocess

ROOT = Path(__file__).resolve().parents[2]
SIDE, ANCHORS, CLASSES, BATCH = 640, 8400, 80, 16
WIDTH, HEIGHT, GREYS = 1920, 1080, 32
LAYERS, CELLS = 12, 32768  # of the engine; floats a row of its scratch memory
RUN_S = 3e-3  # that a full run is made to take
HIDDEN, WARM_UP, LOADS, GROWTH = 0.9, 20, 12, 8 << 20

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


class Sink:
    """Where detections arrive; each must be of its own frame."""

    def __init__(self):
        self.frames, self.wrong = 0, []

    def detections(self, frame, found, labels, model):
        self.frames += 1
        want = score(frame.seq % GREYS)
        if len(found) != 1 or abs(found.scores[0] - want) > 0.02:
            self.wrong.append((frame.seq, found.scores.tolist(), want))


def main(where="cuda:0", batches="600"):
    # What CuPy 14 offers instead, Stream.from_external, destroys the stream with its object in a source that was read.
    warnings.filterwarnings("ignore", "ExternalStream is deprecated", DeprecationWarning)
    with tempfile.TemporaryDirectory() as folder:
        gpu = open_gpu(where) if where != "host" else host(Path(folder))
        work = OnGpu(gpu) if where != "host" else OnHost(gpu)
        (Path(folder) / "stand-in.engine").write_bytes(b"a plan")
        bench = Bench(gpu, work, Path(folder) / "stand-in.engine")
        say("GPU", f"{gpu.name} (sm_{gpu.compute_capability.replace('.', '')})" if where != "host" else "none")
        faults = bench.without_graphs()
        faults += bench.overlapped(int(batches), real=where != "host")
        faults += bench.loaded_again()
    for fault in faults:
        say("WRONG", fault)
    sys.exit(bool(faults))


class Bench:
    """One GPU, its pictures and its engine."""

    def __init__(self, gpu, work, path):
        self.gpu, self.work, self.path = gpu, work, path
        self._memory = [uploaded(gpu, index) for index in range(GREYS)]
        self.surfaces = [surface(gpu, memory) for memory in self._memory]
        self.manifest = Manifest("yolov8", tuple(map(str, range(CLASSES))), Input("images", SIDE, SIDE))

    def load(self, api):
        found = Library(api, "tensorrt", "11 (stand-in)")
        return tensorrt.load(self.path, self.manifest, batch=BATCH, device=f"cuda:{self.gpu.index}", found=found)

    def rooms(self, backend):
        at = (self.gpu, backend.slots.timeline)
        options = {"confidence": 0.05, "iou": 0.45, "max_detections": 300, "classes": None}
        fill = DevicePreprocess(*at, backend.manifest.input, backend.slots.inputs)
        return fill, DeviceHead(*at, backend.manifest, backend.slots.outputs, **options)

    def without_graphs(self):
        """An engine that cannot be captured runs all the same."""
        api = Api(self.work, uncapturable=True)
        with structlog.testing.capture_logs() as lines, closing(self.load(api)) as backend:
            before = api.executed
            api.uncapturable = False
            wrong = self.once(backend, 3)
            put = api.executed - before
        said = [line["reason"] for line in lines if line["event"] == "no CUDA graphs"]
        say("capture refused", said[0] if said else "no")
        faults = [f"without graphs: {wrong}"] if wrong else []
        if len(said) != 1 or put != 1:
            faults.append(f"a refused capture was told {len(said)} times, and {put} runs were put on the stream, not 1")
        return faults

    def once(self, backend, rows, slot=1):
        fill, read = self.rooms(backend)
        places = fill(self.surfaces[:rows], slot)
        backend.enqueue(slot, rows)
        scores = [found.scores.tolist() for found in read(slot, places)]
        right = all(len(one) == 1 and abs(one[0] - score(index)) < 0.02 for index, one in enumerate(scores))
        return "" if right else str(scores)

    def overlapped(self, batches, real):
        """The three stages on their threads; when each step of each batch began and ended."""
        api = Api(self.work)
        with closing(self.load(api)) as backend:
            fill, read = self.rooms(backend)
            alone = self.alone(backend, fill, read)
            executed, sink, spans, taken = api.executed, Sink(), [], []
            origin = self.origin(backend)

            def steps(slot):
                timeline = backend.slots.timeline
                parts = (timeline._fill, timeline._run, timeline._read)
                spans.append([self.gpu.elapsed_s(origin, at[slot]) for one in parts for at in (one.begun, one.ended)])
                if len(spans) % 50 == 0:
                    taken.append((self.gpu.used_bytes(), self.work.pool().total_bytes()))
                return timeline.seconds(slot)

            self.flow(backend, fill, read, steps, sink, batches)
            again = api.executed - executed
        faults = [f"{len(sink.wrong)} frames got what was another's, such as {sink.wrong[0]}"] if sink.wrong else []
        if sink.frames != batches * BATCH:
            faults.append(f"{sink.frames} frames came, not {batches * BATCH}")
        if real:
            faults += report(np.array(spans), alone, taken)
            faults += [f"{again} runs went past the graphs"] if again else []
        say("frames, each with its own detection", f"{sink.frames - len(sink.wrong)} of {batches * BATCH}")
        return faults

    def alone(self, backend, fill, read):
        """Median seconds of each step when nothing else runs."""
        seen = []
        for _ in range(WARM_UP):
            places = fill(self.surfaces[:BATCH], 0)
            backend.slots.timeline.close()
            backend.enqueue(0, BATCH)
            backend.slots.timeline.close()
            read(0, places)
            seen.append(backend.slots.timeline.seconds(0))
        return {step: float(np.median([one[step] for one in seen])) for step in seen[0]}

    def origin(self, backend):
        event = self.gpu.event()
        with self.gpu.active():
            event.record(backend.slots.timeline.run_stream)
            event.synchronize()
        return event

    def flow(self, backend, fill, read, steps, sink, batches):
        ring, metrics = backend.ring, Metrics(SystemClock()).model("check")
        works = (
            Prepare(fill, ring, metrics),
            Run(backend.enqueue, ring, metrics),
            Finish("check", backend.manifest.labels, read, ring, steps, sink, {}, metrics),
        )
        shown = (tuple(self.frame(BATCH * index + row) for row in range(BATCH)) for index in range(batches))
        pipeline = Pipeline(chain("check", Feed(shown), works, capacity=len(ring)), StopGroup())
        pipeline.start()
        while not pipeline.wait(0.1):
            pass
        if pipeline.error is not None:
            raise pipeline.error

    def frame(self, seq):
        return Frame("check", 1, seq, 0, 0, self.surfaces[seq % GREYS])

    def loaded_again(self):
        """Loading and closing leaves nothing on the GPU."""
        taken = []
        for _ in range(LOADS):
            with closing(self.load(Api(self.work))) as backend:
                wrong = self.once(backend, 2)
            del backend
            taken.append((self.gpu.used_bytes(), self.work.pool().used_bytes()))
        gpu, pool = (taken[-1][index] - taken[2][index] for index in (0, 1))
        say(
            f"memory of the GPU after {LOADS} loads, since the 3rd", f"{gpu / 1e6:+.1f} MB; CuPy's {pool / 1e6:+.1f} MB"
        )
        faults = [f"loaded again: {wrong}"] if wrong else []
        return faults + ([f"loading grows by {gpu} and {pool} bytes"] if gpu > GROWTH or pool > 0 else [])


def report(spans, alone, taken):
    """`spans` (batches, 6): begin and end of filling, running and reading. The first ones warm up."""
    spans = spans[WARM_UP:]
    fills, runs = spans[1:, 0:2], spans[:, 2:4]
    hidden = np.array([
        sum(max(0.0, min(end, run_end) - max(begin, run_begin)) for run_begin, run_end in runs[max(0, k - 2) : k + 1])
        for k, (begin, end) in enumerate(fills)
    ])  # fmt: skip
    lengths = fills[:, 1] - fills[:, 0]
    share = float(hidden.sum() / lengths.sum())
    period = float(np.median(np.diff(runs[:, 1])))
    for name, at in (("fill", 0), ("run", 2), ("read", 4)):
        beside = float(np.median(spans[:, at + 1] - spans[:, at]))
        say(f"{name} of {BATCH}, alone / in the flow", f"{1e3 * alone[name]:.3f} / {1e3 * beside:.3f} ms")
    say("a batch every", f"{1e3 * period:.3f} ms; one after another it would be {1e3 * sum(alone.values()):.3f} ms")
    say(
        "preprocess of k+1 behind the run of those before",
        f"{share:.4f} of its time; least {min(hidden / lengths):.4f}",
    )
    used = [max(one[index] for one in taken) - taken[0][index] for index in (0, 1)]
    say("memory since batch 50, GPU and CuPy's pool", f"{used[0] / 1e6:+.1f} MB, {used[1] / 1e6:+.1f} MB")
    faults = [f"hidden are {share:.3f}, not {HIDDEN}"] if share < HIDDEN else []
    return faults + ([f"memory grows by {used} bytes"] if used[0] > GROWTH or used[1] > 0 else [])


def score(grey):
    """What a picture of this grey comes to: luma of BT.601 in limited range, as a fraction of white."""
    return (40 + 5 * grey - 16) / 219


def uploaded(gpu, grey):
    stream, size = gpu.stream(), WIDTH * HEIGHT
    staging, memory = gpu.pinned((size * 3 // 2,), np.uint8), gpu.zeros((size * 3 // 2,), np.uint8)
    staging[:size], staging[size:] = 40 + 5 * grey, 128
    with gpu.active():
        gpu.upload(staging, memory, stream)
        stream.synchronize()
    return memory


def surface(gpu, memory):
    address = gpu.address(memory)
    return Surface(address, WIDTH, WIDTH, HEIGHT, address + WIDTH * HEIGHT, WIDTH, owner=memory)


def host(folder):
    """The host as the GPU."""
    sys.path.insert(0, str(ROOT))
    kernels = importlib.import_module("tests.kernels.host_kernels").HostKernels(folder, bundled.folder("kernels"))
    gpu = importlib.import_module("tests.gpu.host_gpu").HostGpu(kernels)
    gpu.capturing = False

    def capture(work, _stream):
        gpu.capturing = True
        try:
            work()
        finally:
            gpu.capturing = False
        return work

    gpu.capture = capture
    tensorrt.open_gpu = lambda device: gpu
    return gpu


def say(name, value):
    sys.stdout.write(f"{name:50} {value}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
