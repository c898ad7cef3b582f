"""What the counters say of the daemon: is it live, is it ready, and the status page.

Live: no camera is wedged. A camera is wedged when it says that it is online, or has stalled, and yet its source has
been without a frame for 30 s more than it bears (its own watchdog should have opened it anew by then), or when a frame
has waited 30 s for its detections. A camera that is merely away is not the daemon's fault, and no restart would mend
it; nor would one hurry a file whose frames are far apart.

Ready: frames come through. Of enough cameras a frame, and detections to it, came in the last 10 s; enough is any, all
or a number of those that are no file that has ended.
"""

import os
from collections.abc import Callable
from typing import Any

from streamd import __version__
from streamd.metrics.instruments import CameraMetrics, Metrics, ModelMetrics

WEDGED_NS = 30_000_000_000
STALE_NS = 10_000_000_000


def wedged(metrics: Metrics) -> list[str]:
    """Return the cameras that only a restart can help, and why; none when the daemon is live."""
    now_ns = metrics.clock.monotonic_ns()
    found = []
    for name, camera in list(metrics.cameras.items()):
        if _age_ns(camera.waiting_since_ns, now_ns) > WEDGED_NS:
            found.append(
                f"{name}: a frame has waited {_age_ns(camera.waiting_since_ns, now_ns) // 10**9} s for its model"
            )
        elif (
            camera.state in ("online", "stalled")
            and _age_ns(camera.last_frame_ns, now_ns) > WEDGED_NS + camera.patience_s * 1e9
        ):
            found.append(f"{name}: {camera.state}, yet no frame for {_age_ns(camera.last_frame_ns, now_ns) // 10**9} s")
    return found


def unready(metrics: Metrics) -> list[str]:
    """Return why too few frames come through, by camera; none when the daemon is ready by the policy it was given."""
    now_ns = metrics.clock.monotonic_ns()
    cameras = list(metrics.cameras.items())
    going = [(name, camera) for name, camera in cameras if camera.state != "ended"]
    still = [(name, camera) for name, camera in going if not _flows(camera, now_ns)]
    if cameras and len(going) - len(still) >= _needed(metrics.ready, len(going)):
        return []
    return [f"{name}: {_ailment(camera, now_ns)}" for name, camera in still] or ["no camera has started"]


def _needed(ready: str | int, cameras: int) -> int:
    wanted = {"any": 1, "all": cameras}.get(ready, ready) if isinstance(ready, str) else ready
    return min(int(wanted), cameras)


def status(metrics: Metrics) -> dict[str, Any]:
    """Return the status page: per camera its state, the age of its last frame, rates and drops; per model its times."""
    now_ns = metrics.clock.monotonic_ns()
    return {
        "version": __version__,
        "pid": os.getpid(),
        "uptime_s": round((now_ns - metrics.started_ns) / 1e9, 1),
        "live": not wedged(metrics),
        "ready": not unready(metrics),
        "config": {
            "generation": metrics.generation,
            "accepted": metrics.reloads["accepted"],
            "refused": metrics.reloads["refused"],
            "refused_because": metrics.refused,
        },
        "subscriptions": {name: count() for name, count in metrics.subscriptions.items()},
        "gpu_memory_bytes": dict(metrics.gpu_bytes),
        "cameras": {name: _camera(camera, now_ns, metrics.hide) for name, camera in list(metrics.cameras.items())},
        "models": {name: _model(model) for name, model in list(metrics.models.items())},
    }


def _flows(camera: CameraMetrics, now_ns: int) -> bool:
    fresh = camera.last_frame_ns is not None and now_ns - camera.last_frame_ns <= STALE_NS
    return fresh and camera.frames_published > 0 and _age_ns(camera.waiting_since_ns, now_ns) <= STALE_NS


def _ailment(camera: CameraMetrics, now_ns: int) -> str:
    if camera.last_frame_ns is None:
        return f"{camera.state}, no frame yet"
    if now_ns - camera.last_frame_ns > STALE_NS:
        return f"{camera.state}, no frame for {(now_ns - camera.last_frame_ns) // 10**9} s"
    return (
        f"{camera.state}, no detections yet" if not camera.frames_published else f"{camera.state}, its model is stuck"
    )


def _age_ns(then_ns: int | None, now_ns: int) -> int:
    return 0 if then_ns is None else now_ns - then_ns


def _camera(camera: CameraMetrics, now_ns: int, hide: Callable[[str], str]) -> dict[str, Any]:
    age_s = None if camera.last_frame_ns is None else round((now_ns - camera.last_frame_ns) / 1e9, 3)
    stats = camera.stats
    return {
        "state": camera.state,
        "reason": hide(camera.reason),
        "last_frame_age_s": age_s,
        "fps": round(camera.fps.at(now_ns), 2),
        "decoded": camera.frames_decoded,
        "published": camera.frames_published,
        "corrupt": stats.corrupt if stats else 0,
        "skipped": stats.skipped if stats else 0,
        "jumps": stats.jumps if stats else 0,
        "dropped": dict(camera.frames_dropped),
        "waiting": {queue: depth() for queue, depth in list(camera.queues.items())},
        "reconnects": dict(stats.reconnects) if stats else {},
        "latency_mean_ms": round(camera.latency_s.mean * 1e3, 2),
        "video": {"wanted": camera.video_wanted, "packets": camera.packets},
    }


def _model(model: ModelMetrics) -> dict[str, Any]:
    return {
        "batches": model.rows.count,
        "frames": int(model.rows.total),
        "rows_mean": round(model.rows.mean, 2),
        "stage_mean_ms": {name: round(timer.seconds.mean * 1e3, 3) for name, timer in list(model.timers.items())},
    }
