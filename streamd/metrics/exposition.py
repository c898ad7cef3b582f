"""The counters in the text format of Prometheus. Labels are the names in the configuration and words from our lists."""

import threading
from collections.abc import Callable, Iterable, Iterator
from typing import get_args

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from streamd import __version__
from streamd.frames import State
from streamd.metrics.instruments import CameraMetrics, Histogram, Metrics

Labelled = tuple[tuple[str, ...], float]


def expose(metrics: Metrics) -> bytes:
    """Return every counter in the Prometheus text format, version 0.0.4."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Reader(metrics))
    ProcessCollector(registry=registry)
    return generate_latest(registry)


class _Reader(Collector):
    """Reads the counters when asked."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def collect(self) -> Iterator[Metric]:
        """Yield all families of metrics."""
        yield _gauge("streamd_threads", "Threads of Python that run", (), [((), float(threading.active_count()))])
        yield _gauge("streamd_build_info", "The version that runs", ("version",), [((__version__,), 1)])
        reloads = [((result,), self._metrics.reloads[result]) for result in ("accepted", "refused")]
        yield _counter("streamd_reloads", "Reloads of the configuration", ("result",), reloads)
        metrics = self._metrics
        yield _gauge("streamd_config_generation", "Configurations that were in force", (), [((), metrics.generation)])
        refused = [((), float(bool(metrics.refused)))]
        yield _gauge("streamd_config_refused", "Whether the file was refused at the last reload", (), refused)
        subscriptions = [((name,), float(count())) for name, count in metrics.subscriptions.items()]
        yield _gauge(
            "streamd_subscriptions", "Different subscriptions of a socket's readers", ("socket",), subscriptions
        )
        memory = [((name,), float(used)) for name, used in list(metrics.gpu_bytes.items())]
        yield _gauge("streamd_gpu_memory_used_bytes", "Memory taken on a GPU, by whomever", ("device",), memory)
        yield from self._cameras()
        yield from self._models()

    def _cameras(self) -> Iterator[Metric]:
        cameras = list(self._metrics.cameras.items())
        now_ns = self._metrics.clock.monotonic_ns()
        one = ("camera",)
        counts: dict[str, tuple[str, Callable[[CameraMetrics], float]]] = {
            "timestamp_jumps": ("Steps of a stream's clock", lambda c: c.stats.jumps if c.stats else 0),
            "video_packets": ("Access units of annotated video published", lambda c: c.packets),
            "video_bytes": ("Bytes of annotated video published", lambda c: c.packet_bytes),
        }
        for key, (said, read) in counts.items():
            yield _counter(f"streamd_{key}", said, one, [((name,), read(camera)) for name, camera in cameras])
        passed = [
            ((name, stage), float(count))
            for name, c in cameras
            for stage, count in (("decode", c.frames_decoded), ("model", c.frames_published), ("film", c.packets))
        ]
        yield _counter("streamd_frames", "Frames that came through a stage", ("camera", "stage"), passed)
        dropped = [
            ((name, stage, reason), float(count))
            for name, c in cameras
            for stage, reason, count in (
                ("decode", "corrupt", c.stats.corrupt if c.stats else 0),  # packets too: what they held is not known
                ("decode", "patched", c.stats.skipped if c.stats else 0),  # from a damaged frame to the next key frame
                ("model", "newer", c.frames_dropped["model"]),
                ("film", "newer", c.frames_dropped["film"]),
            )
        ]
        yield _counter("streamd_frames_dropped", "Frames that got no further", ("camera", "stage", "reason"), dropped)
        waiting = [((name, queue), float(depth())) for name, c in cameras for queue, depth in list(c.queues.items())]
        yield _gauge("streamd_queue_frames", "Frames that wait", ("camera", "queue"), waiting)
        tried = [
            ((name, cause), float(count))
            for name, camera in cameras
            if camera.stats
            for cause, count in list(camera.stats.reconnects.items())
        ]
        yield _counter("streamd_reconnects", "New tries of a stream that failed", ("camera", "reason"), tried)
        up = [((name,), float(camera.state == "online")) for name, camera in cameras]
        yield _gauge("streamd_camera_online", "Whether the stream is there", one, up)
        states = [
            ((name, state), float(camera.state == state)) for name, camera in cameras for state in get_args(State)
        ]
        yield _gauge("streamd_camera_state", "1 for the state that the camera is in", ("camera", "state"), states)
        ages = [
            ((name,), (now_ns - camera.last_frame_ns) / 1e9)
            for name, camera in cameras
            if camera.last_frame_ns is not None
        ]
        yield _gauge("streamd_frame_age_seconds", "Time since the last decoded frame", one, ages)
        wanted = [((name,), float(camera.video_wanted)) for name, camera in cameras]
        yield _gauge("streamd_video_wanted", "Whether somebody watches the video", one, wanted)
        late = [((name,), camera.latency_s) for name, camera in cameras]
        yield _histogram("streamd_latency_seconds", "From capture to published detections", one, late)
        stages = [((name, key), timer.seconds) for name, c in cameras for key, timer in list(c.timers.items())]
        yield _histogram("streamd_camera_stage_seconds", "Time of a camera's stage", ("camera", "stage"), stages)

    def _models(self) -> Iterator[Metric]:
        models = list(self._metrics.models.items())
        rows = [((name,), model.rows) for name, model in models]
        yield _histogram("streamd_batch_rows", "Frames in one run of a model", ("model",), rows)
        stages = [((name, key), timer.seconds) for name, m in models for key, timer in list(m.timers.items())]
        yield _histogram("streamd_model_stage_seconds", "Time of a model's stage", ("model", "stage"), stages)


def _counter(name: str, said: str, labels: tuple[str, ...], values: Iterable[Labelled]) -> Metric:
    family = CounterMetricFamily(name, said, labels=labels)
    for label, value in values:
        family.add_metric(label, value)
    return family


def _gauge(name: str, said: str, labels: tuple[str, ...], values: Iterable[Labelled]) -> Metric:
    family = GaugeMetricFamily(name, said, labels=labels)
    for label, value in values:
        family.add_metric(label, value)
    return family


def _histogram(
    name: str, said: str, labels: tuple[str, ...], values: Iterable[tuple[tuple[str, ...], Histogram]]
) -> Metric:
    family = HistogramMetricFamily(name, said, labels=labels)
    for label, histogram in values:
        buckets, below = [], 0
        for bound, count in zip((*map(str, histogram.bounds), "+Inf"), list(histogram.counts), strict=True):
            below += count
            buckets.append((bound, float(below)))
        family.add_metric(label, buckets, histogram.total)
    return family
