"""Engines on a GPU: `python tests/gpu/engine_check.py [cuda:0 | host] [batches]`; exit 1 if anything is wrong.

TensorRT is a stand-in with the same calls, engine_standin.py. All else is what the daemon has:
streamd/infer/tensorrt.py with its contexts and graphs, the slots, the kernels before and behind, and the three stages
on their threads. When each step ran is told by its events. With `host` nothing runs on a GPU: only the script is
tried then, and no time means anything. Run it from the repository's root, with that on PYTHONPATH.
"""

import sys
import tempfile
import warnings
from contextlib import closing
from pathlib import Path

import numpy as np
import structlog

from streamd import bundled
from streamd.clock import StopGroup, SystemClock
from streamd.corridor import Finish, Prepare, Publish, Release, Run, Underway
from streamd.flow.pipeline import Pipeline
from streamd.flow.stage import Feed, Joined, chain
from streamd.frames import Frame, Surface
from streamd.gpu import timeline
from streamd.gpu.device import open_gpu
from streamd.infer import tensorrt
from streamd.infer.library import Library
from streamd.manifest import Input, Manifest
from streamd.metrics import Metrics
from streamd.postprocess import DeviceHead
from streamd.preprocess import DevicePreprocess
from tests.gpu.engine_standin import BATCH, CLASSES, SIDE, Api, OnGpu, OnHost
from tests.gpu.host_gpu import HostGpu
from tests.kernels.host_kernels import HostKernels

WIDTH, HEIGHT, GREYS = 1920, 1080, 32
HIDDEN, WARM_UP, LOADS, GROWTH = 0.9, 20, 12, 8 << 20


class Sink:
    """Where detections arrive; each must be of its own frame."""

    def __init__(self):
        self.frames, self.wrong = 0, []

    def detections(self, frames, found, labels, model):
        self.frames += len(frames)
        for frame, one in zip(frames, found, strict=True):
            want = score(frame.seq % GREYS)
            if len(one) != 1 or abs(one.scores[0] - want) > 0.02:
                self.wrong.append((frame.seq, one.scores.tolist(), want))


def main(where="cuda:0", batches="600"):
    # What CuPy 14 offers instead, Stream.from_external, destroys the stream with its object in a source that was read.
    warnings.filterwarnings("ignore", "ExternalStream is deprecated", DeprecationWarning)
    timeline.TIMED_EVERY = 1  # when each of all steps ran is the question here
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
            Joined(Prepare(fill, ring, metrics), Run(backend.enqueue, ring, metrics)),
            Finish(read, ring, steps, metrics),
            Publish("check", backend.manifest.labels, sink, {}, Underway(), metrics),
            Release(),
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
    gpu = HostGpu(HostKernels(folder, bundled.folder("kernels")))
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
