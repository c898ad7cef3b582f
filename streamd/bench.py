"""The daemon against bare inference, in one run: how much of the model's own speed reaches the subscriber.

Rounds alternate: the whole daemon on its cameras for some seconds, then the same model alone, `session.run` in a
loop with the same thread settings and as many rows. Each round gives one ratio; the median of them is reported,
since both sides of a round see about the same machine.
"""

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from streamd import config, infer
from streamd.clock import Clock, StopGroup
from streamd.corridor import Sink
from streamd.daemon import Daemon
from streamd.errors import ModelError, SourceError
from streamd.frames import Detections, Frame, Notice, Packet
from streamd.infer.session import open_session
from streamd.metrics import Metrics

FIRST_S = 60.0  # until a frame of every camera is published, at most: models load, cameras answer, decoders open
WARM_S = 1.0  # after that: what queued meanwhile is gone
TICK_S = 0.05


@dataclass(frozen=True, slots=True)
class Summary:
    """The daemon over all rounds: medians, and percentiles of latency over every frame, capture to publication.

    `ratio` is frames a second end to end by those that could be had at most, which whoever compares knows.
    """

    model: str
    cameras: int
    rows_mean: float
    end_to_end_fps: float
    ratio: float
    ratios: tuple[float, ...]
    latency_p50_ms: float
    latency_p95_ms: float
    latency_p99_ms: float
    published: int
    dropped: int


@dataclass(frozen=True, slots=True)
class Report(Summary):
    """The daemon and the model alone: medians of all rounds."""

    threads: int
    rounds: int
    bare_fps: float


@dataclass(frozen=True, slots=True)
class Stretch:
    """Some seconds of the daemon at work. `sent` holds when each frame was published and how old it was, in ns."""

    sent: list[tuple[int, int]]
    dropped: int
    rows: float
    cpu_s: float
    wall_s: float
    size: tuple[int, int]  # width and height of the last frame
    metrics: Metrics

    @property
    def fps(self) -> float:
        """Frames published a second."""
        return (len(self.sent) - 1) * 1e9 / (self.sent[-1][0] - self.sent[0][0])

    @property
    def latencies_ms(self) -> tuple[float, ...]:
        """From capture to publication, of every frame."""
        return tuple(age_ns / 1e6 for _, age_ns in self.sent)


def bench(settings: config.Config, sink: Sink, clock: Clock, *, seconds: float, rounds: int) -> Report:
    """Measure `rounds` rounds of `seconds` for each side.

    Cameras that are files should be read `asap` and looped; other cameras are measured at the rate they come.

    Raises:
        ModelError: the cameras use several models, whose frames no one bare speed stands against.
        SourceError: no frame was published within a round.
    """
    name = the_model(settings)
    model = settings.models[name]
    path = config.locate(model.path, settings.base)
    wholes, alone = [], []
    for _ in range(rounds):
        wholes.append(end_to_end(settings, sink, clock, seconds))
        alone.append(bare(path, model, clock, seconds, max(1, round(wholes[-1].rows))))
    summary = summarise(wholes, alone, str(path), len(settings.cameras))
    return Report(**asdict(summary), threads=model.threads, rounds=rounds, bare_fps=statistics.median(alone))


def the_model(settings: config.Config) -> str:
    """Return the name of the one model that the cameras use; ModelError where they use several."""
    name, *others = dict.fromkeys(camera.model for camera in settings.cameras.values())
    if others:
        raise ModelError(
            f"the cameras use the models {', '.join((name, *others))}", mend="measure one: give all cameras its name"
        )
    return name


def summarise(wholes: Sequence[Stretch], most_fps: Sequence[float], model: str, cameras: int) -> Summary:
    """Return the summary of these rounds; `most_fps` is what each of them could have reached at most."""
    ratios = tuple(whole.fps / most for whole, most in zip(wholes, most_fps, strict=True))
    latencies = [ms for whole in wholes for ms in whole.latencies_ms]
    p50, p95, p99 = (float(value) for value in np.percentile(latencies, (50, 95, 99)))
    return Summary(
        model=model,
        cameras=cameras,
        rows_mean=statistics.fmean(whole.rows for whole in wholes),
        end_to_end_fps=statistics.median(whole.fps for whole in wholes),
        ratio=statistics.median(ratios),
        ratios=ratios,
        latency_p50_ms=p50,
        latency_p95_ms=p95,
        latency_p99_ms=p99,
        published=len(latencies),
        dropped=sum(whole.dropped for whole in wholes),
    )


def end_to_end(settings: config.Config, sink: Sink, clock: Clock, seconds: float) -> Stretch:
    """Run the daemon, and measure for `seconds` once it is warm.

    Raises:
        SourceError: no frames were published.
    """
    metrics, tally = Metrics(clock), Tally(sink, clock)
    with running(settings, tally, metrics, clock) as daemon:
        _pass(daemon, clock, FIRST_S, lambda: len(tally.cameras) == len(settings.cameras))
        _pass(daemon, clock, WARM_S)
        begin_ns, cpu_s = clock.monotonic_ns(), time.process_time()
        _pass(daemon, clock, seconds)
        now_ns, cpu_s = clock.monotonic_ns(), time.process_time() - cpu_s
        sent = [one for one in list(tally.sent) if begin_ns <= one[0] < now_ns]
        dropped = sum(camera.frames_dropped["model"] for camera in metrics.cameras.values())
    if len(sent) < 2:
        raise SourceError(
            f"only {len(sent)} frames were published in {seconds:g} s",
            mend="check the cameras with `streamd serve`, or raise --seconds",
        )
    rows = statistics.fmean(model.rows.mean for model in metrics.models.values())
    return Stretch(sent, dropped, rows, cpu_s, (now_ns - begin_ns) / 1e9, tally.size, metrics)


def _pass(daemon: Daemon, clock: Clock, seconds: float, until: Callable[[], bool] = lambda: False) -> None:
    """Let the daemon work for some seconds; less when it ends, or when `until` holds."""
    pause = StopGroup()  # nobody gives it: waiting on it is how this thread passes time
    end_ns = clock.monotonic_ns() + int(seconds * 1e9)
    while clock.monotonic_ns() < end_ns and not until() and not daemon.tick():
        pause.wait(TICK_S)


@contextmanager
def running(settings: config.Config, sink: Sink, metrics: Metrics, clock: Clock) -> Iterator[Daemon]:
    """Run the daemon while the block does; it has drained afterwards.

    Raises:
        StreamdError: what stopped one of its stages.
    """
    with closing(Daemon(settings, sink, metrics, clock)) as daemon:
        daemon.start()
        try:
            yield daemon
        finally:
            daemon.stop()
            while not daemon.tick():
                daemon.pipeline.wait(TICK_S)
        if daemon.pipeline.error is not None:
            raise daemon.pipeline.error


def bare(path: Path, model: config.Model, clock: Clock, seconds: float, rows: int) -> float:
    """Return the frames a second of `session.run` alone, `rows` at a time, with the model's thread settings."""
    backend = infer.load(path, batch=rows, threads=model.threads, device=model.device)
    shape = (backend.manifest.batch or rows, *backend.input(0).shape[1:])
    name, dtype = backend.manifest.input.name, backend.input(0).dtype
    backend.close()
    session = open_session(path, threads=model.threads, spin="running", sides={})
    feed = {name: np.random.default_rng(0).random(shape).astype(dtype)}
    session.run(None, feed)
    runs = 0
    begin_ns = clock.monotonic_ns()
    while clock.monotonic_ns() - begin_ns < seconds * 1e9:
        session.run(None, feed)
        runs += 1
    return float(runs * rows * 1e9 / (clock.monotonic_ns() - begin_ns))


class Tally:
    """A sink that passes everything on and notes when each run's detection messages had all been sent."""

    def __init__(self, sink: Sink, clock: Clock) -> None:
        self._sink = sink
        self._clock = clock
        self.sent: list[tuple[int, int]] = []  # monotonic_ns, nanoseconds since capture
        self.size = (0, 0)
        self.cameras: set[str] = set()

    def detections(
        self, frames: Sequence[Frame], found: Sequence[Detections], labels: Sequence[str], model: str
    ) -> None:
        """Pass on and note."""
        self._sink.detections(frames, found, labels, model)
        now_ns, unix_ns = self._clock.monotonic_ns(), self._clock.unix_ns()
        self.size = (frames[-1].picture.width, frames[-1].picture.height)
        self.cameras.update(frame.camera for frame in frames)
        self.sent += [(now_ns, unix_ns - frame.captured_at_ns) for frame in frames]

    def event(self, notice: Notice) -> None:
        """Pass on."""
        self._sink.event(notice)

    def video(self, packet: Packet) -> None:
        """Pass on."""
        self._sink.video(packet)

    def wanted(self, camera: str) -> bool:
        """Pass on."""
        return self._sink.wanted(camera)
