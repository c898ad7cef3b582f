"""The tour of the house: what a frame meets on its way, and who starts, stops and reloads it.

    a camera   Camera ─► Doorway ─┬─► its model        decode/  a frame enters, paced, numbered, reconnected
                                  └─► its film         only while somebody watches
    a model    Batcher ─► Prepare ─► Run ─► Finish     infer/, preprocess/, postprocess/: one thread each, two slots
                                               ├─► detections published                             publish/
                                               └─► the camera's Overlay
    a film     frame + its detections from the Overlay ─► drawn ─► encoded ─► published             annotate/, encode/

A live camera's lanes keep the newest frame and drop the rest; a file's lanes wait and lose nothing. A model never
waits for a film, and nothing waits for a subscriber. `Daemon` builds and joins; serve.py watches it run, answers
signals, and ends it.
"""

from dataclasses import dataclass

import cv2

from streamd import annotate, config, decode, encode, infer, postprocess, preprocess
from streamd.annotate.overlay import Overlay
from streamd.clock import Clock, Stop, StopGroup
from streamd.corridor import Audience, Doorway, Film, Finish, Prepare, Run, Sink
from streamd.errors import ModelError
from streamd.flow.channel import Channel, Overflow, Select
from streamd.flow.pipeline import Pipeline
from streamd.flow.stage import Feed, Relay, Stage, chain
from streamd.frames import Frame, Notice
from streamd.infer.batcher import Batcher
from streamd.manifest import Manifest
from streamd.metrics import Metrics

LIVE_FILM_FRAMES = 8  # how far a film may run behind while it waits for detections: two slots of slow inference
FILE_LANE_FRAMES = 2


@dataclass(frozen=True, slots=True)
class Line:
    """A model at work: where its frames come in, and what draws its detections."""

    lanes: Select[Frame]
    backend: infer.Backend
    overlays: dict[str, Overlay]


class Daemon:
    """Everything that runs, joined. `start` returns at once; serve.py watches over it."""

    def __init__(self, settings: config.Config, sink: Sink, metrics: Metrics, clock: Clock) -> None:
        """Load every model that a camera uses and open every camera's settings; nothing runs yet.

        Raises:
            ModelError: a model cannot be loaded, or lacks a class that the configuration asks for.
            SourceError: a camera is a file that cannot be opened.
            EncodeError: the video encoder that the configuration names is not there.
        """
        cv2.setNumThreads(1)  # OpenCV's own pool would take cores from the models, to gain a tenth on small pictures
        self.settings = settings
        self._sink = sink
        self._metrics = metrics
        self._clock = clock
        self._stop = StopGroup()
        self._stops: dict[str, Stop] = {}
        self._lines: dict[str, Line] = {}
        self._sources: dict[str, Stage[Frame | Notice, Frame | Notice]] = {}
        self.pipeline = Pipeline([], self._stop)
        self._codec = encode.choose(settings.publish.video) if settings.publish.video else None
        for name in dict.fromkeys(camera.model for camera in settings.cameras.values()):
            self._load(name, settings.models[name])
        self._cameras = {name: self._open(name, camera) for name, camera in settings.cameras.items()}

    def start(self) -> None:
        """Start the models, then the cameras."""
        self.pipeline.start()
        for name, camera in self._cameras.items():
            self._admit(name, camera)

    def tick(self) -> bool:
        """Let models end once every source has; true when everything has ended."""
        running = set(self.pipeline.running())
        if not any(stage.name in running for stage in self._sources.values()):
            for line in self._lines.values():
                line.lanes.close()
        return self.pipeline.wait(0)

    def stop(self) -> None:
        """Tell every camera to end; what is under way drains."""
        self.pipeline.stop()

    @property
    def stopping(self) -> bool:
        """Whether the cameras were told to end, by a signal or by a stage that failed."""
        return self._stop.is_set()

    def pending(self) -> bool:
        """Tell whether frames wait for a model."""
        return any(len(line.lanes) for line in self._lines.values())

    def reload(self, settings: config.Config) -> tuple[str, ...]:
        """Apply new cameras and changed ones, end those that have gone, and leave the rest alone.

        Returns the sections that changed but need a restart to take effect.

        Raises:
            SourceError: a new camera cannot be opened; nothing was changed.
        """
        old = self.settings.cameras
        fixed = ("models", "publish", "metrics", "log", "drain_timeout")
        later = tuple(key for key in fixed if getattr(settings, key) != getattr(self.settings, key))
        changed = {name: camera for name, camera in settings.cameras.items() if camera != old.get(name)}
        for name, camera in changed.items():
            if camera.model not in self._lines:
                raise ModelError(f"camera {name}: model {camera.model} is not loaded", mend="restart the daemon")
        opened = {name: self._open(name, camera) for name, camera in changed.items()}
        for name in old:
            if name not in settings.cameras or name in changed:
                self._dismiss(name)
        self.settings = settings.model_copy(update={key: getattr(self.settings, key) for key in fixed})
        for name, source in opened.items():
            self._cameras[name] = source
            self._admit(name, source)
        return later

    def close(self) -> None:
        """Give the models' buffers back; call when every stage has ended."""
        for line in self._lines.values():
            line.backend.close()

    def _load(self, name: str, model: config.Model) -> None:
        backend = infer.load(
            config.locate(model.path, self.settings.base), batch=model.batch, threads=model.threads, device=model.device
        )
        line = Line(Select(), backend, {})
        manifest, metrics = backend.manifest, self._metrics.model(name)
        head = postprocess.HEADS[manifest.head](
            manifest,
            confidence=model.confidence,
            iou=model.iou,
            max_detections=model.max_detections,
            classes=class_ids(name, model, manifest),
        )
        works = (
            Prepare(preprocess.PREPROCESS["host"](manifest.input), backend, metrics),
            Run(backend, metrics),
            Finish(name, backend, head, self._sink, line.overlays, metrics),
        )
        batches = Batcher(line.lanes, backend.batch, model.max_wait, self._clock, backend.ring.wait)
        self.pipeline.add(chain(name, batches, works, capacity=len(backend.ring)))
        self._lines[name] = line

    def _open(self, name: str, camera: config.Camera) -> decode.Camera:
        source = decode.open_camera(name, camera, self.settings.base, self._clock)
        source.check()
        return source

    def _admit(self, name: str, source: decode.Camera) -> None:
        line = self._lines[self.settings.cameras[name].model]
        metrics = self._metrics.camera(name)
        metrics.watch(source.stats)
        video = self.settings.publish.video
        audience = Audience(self._sink, name, always=video is not None and video.when == "always")
        overflow = Overflow.DROP_OLDEST if source.live else Overflow.BLOCK
        film: Channel[Frame] | None = None
        stages = []
        if video is not None and self._codec is not None:
            overlay = line.overlays[name] = Overlay()
            film = Channel(LIVE_FILM_FRAMES, overflow, on_drop=lambda _: metrics.dropped("film"))
            draw = annotate.HostAnnotate(line.backend.manifest.labels)
            work = Film(overlay, draw, self._codec(), audience, self._sink, metrics)
            stages.append(Stage(f"{name}/film", work, film))
        lane = line.lanes.lane(
            1 if source.live else max(FILE_LANE_FRAMES, line.backend.batch),
            overflow,
            on_drop=lambda _: metrics.dropped("model"),
        )
        stop = self._stops[name] = self._stop.member()
        doorway = Doorway(lane, film, audience, self._sink, metrics)
        self._sources[name] = Stage(f"{name}/camera", Relay(), Feed(source.frames(stop)), doorway)
        self.pipeline.add([self._sources[name], *stages])

    def _dismiss(self, name: str) -> None:
        self._stops.pop(name).set()
        self._sources.pop(name).join()
        del self._cameras[name]
        overlay = self._lines[self.settings.cameras[name].model].overlays.pop(name, None)
        if overlay is not None:
            overlay.finish()
        self._metrics.forget(name)


def class_ids(name: str, model: config.Model, manifest: Manifest) -> frozenset[int] | None:
    """Return the class numbers that a configuration's `classes` stand for; None for all.

    Raises:
        ModelError: the model has no such class.
    """
    if model.classes is None:
        return None
    unknown = [label for label in model.classes if label not in manifest.labels]
    if unknown:
        raise ModelError(
            f"models.{name}.classes: {unknown[0]!r} is not a class of {model.path}",
            mend=f"its classes are {', '.join(manifest.labels)}",
        )
    return frozenset(manifest.labels.index(label) for label in model.classes)
