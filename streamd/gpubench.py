"""The daemon on a GPU against its parts alone, in one run: decoding, and the model.

A round measures the whole daemon on its cameras, then the same cameras decoded and thrown away, then the model alone
on full batches with a slot always waiting. The slower of the two parts is what the whole can reach at most; the
median over the rounds of whole / slower part is the ratio. Steps on the GPU are timed by events on their streams.
"""

import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass

import numpy as np

from streamd import config, decode, infer
from streamd.bench import FIRST_S, TICK_S, WARM_S, Stretch, Summary, end_to_end, summarise, the_model
from streamd.clock import Clock, StopGroup
from streamd.corridor import Sink
from streamd.errors import ModelError, SourceError
from streamd.flow.pipeline import AnyStage, Pipeline
from streamd.flow.stage import Feed, Stage, Work
from streamd.frames import Frame, Notice
from streamd.gpu.device import Gpu
from streamd.gpu.surface import letterbox_bytes
from streamd.letterbox import Letterbox
from streamd.line import Line, lay

COPY_BYTES = 1 << 30
COPIES = 20


@dataclass(frozen=True, slots=True)
class Step:
    """A step of a run: milliseconds, the bytes it must move a frame (0: not told), and of the copy rate how much."""

    name: str
    ms_per_run: float
    us_per_frame: float
    bytes_per_frame: int
    of_copy: float


@dataclass(frozen=True, slots=True)
class DeviceReport(Summary):
    """The daemon and its parts alone: medians of all rounds; memory in MB, CPU in % of one core."""

    device: str
    decode_fps: float
    run_fps: float
    cpu_percent: float
    gpu_memory_mb: float
    copy_gb_per_s: float
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class _Round:
    whole: Stretch
    decode_fps: float
    run_fps: float
    memory_mb: float


def bench(settings: config.Config, sink: Sink, clock: Clock, *, seconds: float, rounds: int) -> DeviceReport:
    """Measure `rounds` rounds of `seconds` for each side.

    Raises:
        ModelError: the cameras use several models, or one that does not run on a GPU.
        SourceError: no frame was published within a round, or none decoded.
        DeviceError: there is no such GPU, or it has no memory left.
    """
    name = the_model(settings)
    model = settings.models[name]
    measured: list[_Round] = []
    copied, bytes_of = 0.0, dict[str, int]()
    for _ in range(rounds):
        whole = end_to_end(settings, sink, clock, seconds)
        line = lay(name, model, settings.base)
        with closing(line.backend):
            backend = line.backend
            if not isinstance(backend, infer.DeviceBackend):
                raise ModelError(f"{model.path} runs on the {model.device}", mend="set device: cuda:0")
            memory_mb = backend.slots.gpu.used_bytes() / 1e6
            copied = copied or copy_rate(backend.slots.gpu)
            bytes_of = bytes_of or moved(line, backend, whole.size)
            run_fps = bare_run(backend, clock, seconds)
            decode_fps = bare_decode(settings, line.gpu, clock, seconds)
        measured.append(_Round(whole, decode_fps, run_fps, memory_mb))
    return _report(measured, settings, model, copied, bytes_of)


def bare_run(backend: infer.DeviceBackend, clock: Clock, seconds: float) -> float:
    """Return the frames a second of the model alone, on full batches of noise, two runs always under way."""
    slots, timeline = backend.slots, backend.slots.timeline
    noise = np.random.default_rng(0)
    count = len(backend.ring)
    for slot in range(count):
        rows = backend.input(slot)
        rows[:] = noise.random(rows.shape, np.float32)
        slots.upload(slot, backend.batch)
    runs, begin_ns = 0, clock.monotonic_ns()
    while clock.monotonic_ns() - begin_ns < seconds * 1e9:
        if runs >= count:
            timeline.wait(runs % count)
        backend.enqueue(runs % count, backend.batch)
        with timeline.reading(runs % count):
            pass  # nothing is read: its end is the run's
        runs += 1
    for slot in range(min(runs, count)):
        timeline.wait(slot)
    return runs * backend.batch * 1e9 / (clock.monotonic_ns() - begin_ns)


class _Count(Work[Frame | Notice, None]):
    """Counts frames and lets go of them."""

    def __init__(self) -> None:
        self.frames = 0

    def __call__(self, item: Frame | Notice) -> Iterable[None]:
        """Count."""
        self.frames += isinstance(item, Frame)
        return ()


def bare_decode(settings: config.Config, gpu: Gpu | None, clock: Clock, seconds: float) -> float:
    """Return the frames a second of the cameras alone, decoded where the model wants them.

    Raises:
        SourceError: there were none: a file that ended, cameras that are away.
    """
    stop = StopGroup()
    counts: list[_Count] = []
    stages: list[AnyStage] = []
    for name, camera in settings.cameras.items():
        source = decode.open_camera(name, camera, settings.base, clock, gpu=gpu)
        counts.append(_Count())
        stages.append(Stage(name, counts[-1], Feed(source.frames(stop.member()))))
    pipeline = Pipeline(stages, stop)
    pipeline.start()
    pause = StopGroup()
    patience_ns = clock.monotonic_ns() + int(FIRST_S * 1e9)
    while not all(count.frames for count in counts) and clock.monotonic_ns() < patience_ns:
        pause.wait(TICK_S)
    pause.wait(WARM_S)
    before, begin_ns = sum(count.frames for count in counts), clock.monotonic_ns()
    pause.wait(seconds)
    frames, wall_ns = sum(count.frames for count in counts) - before, clock.monotonic_ns() - begin_ns
    pipeline.stop()
    while not pipeline.wait(TICK_S):
        pass
    if pipeline.error is not None:
        raise pipeline.error
    if not frames:
        raise SourceError(
            f"no frame was decoded in {seconds:g} s", mend="give files `loop: true`, or check the cameras"
        )
    return frames * 1e9 / wall_ns


def copy_rate(gpu: Gpu) -> float:
    """Return the bytes a second that a copy within the GPU's memory reads and writes."""
    source, target = (gpu.zeros((COPY_BYTES,), np.uint8) for _ in range(2))
    stream, begin, end = gpu.stream(), gpu.event(), gpu.event()
    times = []
    with gpu.active():
        for _ in range(COPIES):
            begin.record(stream)
            gpu.copy(source, target, stream)
            end.record(stream)
            end.synchronize()
            times.append(gpu.elapsed_s(begin, end))
    return 2 * COPY_BYTES / statistics.median(times)


def moved(line: Line, backend: infer.DeviceBackend, size: tuple[int, int]) -> dict[str, int]:
    """Return the bytes that a step must move for a frame of `size` (W, H): what is filled, and what is read."""
    slots, spec = backend.slots, backend.manifest.input
    row = slots.inputs[0].nbytes // slots.rows
    place = Letterbox.place(*size, spec.width, spec.height, spec.fit, spec.anchor)
    read = sum(output.nbytes for output in slots.outputs[0].values()) // slots.rows
    return {"fill": letterbox_bytes(place, row) if line.gpu else row, "read": read}


def _report(
    measured: Sequence[_Round], settings: config.Config, model: config.Model, copied: float, bytes_of: Mapping[str, int]
) -> DeviceReport:
    wholes = [one.whole for one in measured]
    slower = [min(one.decode_fps, one.run_fps) for one in measured]
    summary = summarise(wholes, slower, model.path, len(settings.cameras))
    return DeviceReport(
        **asdict(summary),
        device=model.device,
        decode_fps=statistics.median(one.decode_fps for one in measured),
        run_fps=statistics.median(one.run_fps for one in measured),
        cpu_percent=statistics.median(100 * whole.cpu_s / whole.wall_s for whole in wholes),
        gpu_memory_mb=max(one.memory_mb for one in measured),
        copy_gb_per_s=copied / 1e9,
        steps=tuple(_steps(wholes, summary.rows_mean, copied, bytes_of)),
    )


def _steps(wholes: Sequence[Stretch], rows: float, copied: float, bytes_of: Mapping[str, int]) -> Iterator[Step]:
    """Yield what the model's threads and its streams spent, in the order of their names in the metrics.

    A step on the GPU is left out where the measurement was over before one was timed.
    """
    for name in ("prepare", "run", "finish", "publish", "gpu-fill", "gpu-run", "gpu-read"):
        spent = [model.timers[name].seconds for whole in wholes for model in whole.metrics.models.values()]
        timed = [histogram.mean for histogram in spent if histogram.count]
        if not timed:
            continue
        seconds = statistics.fmean(timed)
        size = bytes_of.get(name.removeprefix("gpu-"), 0) if name.startswith("gpu-") else 0
        rate = size * rows / seconds
        yield Step(name, seconds * 1e3, seconds * 1e6 / rows, size, rate / copied)
