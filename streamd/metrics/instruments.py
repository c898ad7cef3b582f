"""The counters. Each number is written by one thread and read by any, so none needs a lock.

A reader may see a histogram's sum and counts one observation apart; nothing that is told here minds.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Literal, Protocol

from streamd import uri
from streamd.clock import Clock
from streamd.frames import Frame, Notice, Packet, State

LATENCY_S = (0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
STAGE_S = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0)
ROWS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0)
RATE_WINDOW_NS = 5_000_000_000


class StreamStats(Protocol):
    """What a camera's source counts by itself; read when somebody asks."""

    corrupt: int
    skipped: int
    jumps: int

    @property
    def reconnects(self) -> Mapping[Any, int]:
        """New tries of a stream that failed, by a bounded word for the cause."""


class Histogram:
    """Observations, counted by the smallest bound that is not below them."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)  # the last one counts what is above every bound
        self.total = 0.0

    def observe(self, value: float) -> None:
        """Count one value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    @property
    def count(self) -> int:
        """How many values were observed."""
        return sum(self.counts)

    @property
    def mean(self) -> float:
        """The mean of the values; 0 when there are none."""
        return self.total / max(1, self.count)


class Timer:
    """Observes how long its `with` block takes. One thread uses it, one block at a time."""

    __slots__ = ("_clock", "_start", "seconds")

    def __init__(self, clock: Clock) -> None:
        self.seconds = Histogram(STAGE_S)
        self._clock = clock
        self._start = 0

    def __enter__(self) -> None:
        self._start = self._clock.monotonic_ns()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.seconds.observe((self._clock.monotonic_ns() - self._start) / 1e9)


class Rate:
    """Events a second over the last whole window of five seconds."""

    __slots__ = ("_began_ns", "_count", "_last")

    def __init__(self) -> None:
        self._began_ns = 0
        self._count = 0
        self._last = 0.0

    def tick(self, now_ns: int) -> None:
        """Count one event."""
        if not self._began_ns:
            self._began_ns = now_ns
            return
        self._count += 1
        if now_ns - self._began_ns >= RATE_WINDOW_NS:
            self._last = self._count * 1e9 / (now_ns - self._began_ns)
            self._began_ns, self._count = now_ns, 0

    def at(self, now_ns: int) -> float:
        """Return the rate; that of the window under way when it is the first, or when events have stopped."""
        elapsed = now_ns - self._began_ns
        if not self._began_ns or elapsed <= 0:
            return self._last
        if not self._last or elapsed > 2 * RATE_WINDOW_NS:
            return self._count * 1e9 / elapsed
        return self._last


class CameraMetrics:
    """What one camera counts. `waiting_since_ns` is when the oldest unanswered frame was handed to the model.

    `queues` tell how many frames wait, by where they do.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.state: State = "connecting"
        self.reason = ""
        self.frames_decoded = 0
        self.frames_published = 0
        self.frames_dropped: Counter[str] = Counter()
        self.packets = 0
        self.packet_bytes = 0
        self.video_wanted = False
        self.fps = Rate()
        self.latency_s = Histogram(LATENCY_S)
        self.timers: dict[str, Timer] = {}
        self.queues: dict[str, Callable[[], int]] = {}
        self.last_frame_ns: int | None = None
        self.waiting_since_ns: int | None = None
        self.stats: StreamStats | None = None
        self.patience_s = 0.0

    def watch(self, stats: StreamStats, patience_s: float = 0.0) -> None:
        """Take corrupt frames and reconnects from what the source counts by itself.

        `patience_s` is how long the source itself bears to be without a frame; infinite where it may be for ever.
        """
        self.stats = stats
        self.patience_s = patience_s

    def noticed(self, notice: Notice) -> None:
        """Note what happened to the stream."""
        self.reason = notice.reason
        if notice.state is not None:
            self.state = notice.state

    def decoded(self, frame: Frame) -> None:
        """Count a frame that came out of the decoder."""
        now_ns = self._clock.monotonic_ns()
        self.frames_decoded += 1
        self.last_frame_ns = now_ns
        self.fps.tick(now_ns)
        if frame.infer and self.waiting_since_ns is None:
            self.waiting_since_ns = now_ns

    def dropped(self, reason: Literal["model", "film"]) -> None:
        """Count a frame that gave way to a newer one, by the lane it was dropped from."""
        self.frames_dropped[reason] += 1

    def published(self, frame: Frame) -> None:
        """Count a frame whose detections have left, and how long after its capture they did."""
        self.frames_published += 1
        self.waiting_since_ns = None
        self.latency_s.observe(max(0, self._clock.unix_ns() - frame.captured_at_ns) / 1e9)

    def wanted(self, wanted: bool) -> None:
        """Note whether somebody watches the video."""
        self.video_wanted = wanted

    def filmed(self, packet: Packet) -> None:
        """Count an access unit of video that has left."""
        self.packets += 1
        self.packet_bytes += len(packet.data)

    def stage(self, name: str) -> Timer:
        """Return what times a stage of this camera's; only that stage's thread uses it."""
        return self.timers.get(name) or self.timers.setdefault(name, Timer(self._clock))


class ModelMetrics:
    """What one model's stages count."""

    def __init__(self, clock: Clock, cameras: Mapping[str, CameraMetrics]) -> None:
        self._clock = clock
        self._cameras = cameras
        self.rows = Histogram(ROWS)
        self.timers: dict[str, Timer] = {}

    def stage(self, name: str) -> Timer:
        """Return what times a stage of this model's; only that stage's thread uses it."""
        return self.timers.get(name) or self.timers.setdefault(name, Timer(self._clock))

    def ran(self, rows: int) -> None:
        """Count a run of the model over `rows` frames."""
        self.rows.observe(rows)

    def published(self, frame: Frame) -> None:
        """Count a frame whose detections have left; one of a camera that has gone counts nowhere."""
        camera = self._cameras.get(frame.camera)
        if camera is not None:
            camera.published(frame)


class Metrics:
    """Everything that is counted, by camera and by model. The caller owns it; nothing here is global."""

    def __init__(self, clock: Clock, *, ready: str | int = "any", hide: Callable[[str], str] = uri.redact) -> None:
        """`ready` is how many cameras must deliver: any, all, or a number. `hide` takes secrets out of texts."""
        self.clock = clock
        self.ready = ready
        self.hide = hide
        self.started_ns = clock.monotonic_ns()
        self.cameras: dict[str, CameraMetrics] = {}
        self.models: dict[str, ModelMetrics] = {}
        self.reloads: Counter[str] = Counter()
        self.generation = 1  # of the configuration in force
        self.refused = ""  # why the file was refused at the last reload; nothing where it was not
        self.gpu_bytes: dict[str, int] = {}  # memory taken, by device, as it was a few seconds ago
        self.subscriptions: dict[str, Callable[[], int]] = {}  # how many there are, by socket

    def camera(self, name: str) -> CameraMetrics:
        """Return the counters of a camera, new ones for a new name."""
        return self.cameras.setdefault(name, CameraMetrics(self.clock))

    def model(self, name: str) -> ModelMetrics:
        """Return the counters of a model, new ones for a new name."""
        return self.models.setdefault(name, ModelMetrics(self.clock, self.cameras))

    def forget(self, camera: str) -> None:
        """Drop the counters of a camera that has gone; safe twice."""
        self.cameras.pop(camera, None)

    def reloaded(self, refused: str = "") -> None:
        """Count a reload that took effect, or one that was refused and why."""
        self.refused = self.hide(refused)
        self.reloads["refused" if refused else "accepted"] += 1
        self.generation += not refused

    @property
    def batches(self) -> int:
        """How many runs all models have made: what progress is measured by."""
        return sum(model.rows.count for model in self.models.values())
