"""The tour of the house: what a frame meets on its way, and who starts, stops and reloads it.

    a camera   Camera ─► Doorway ─┬─► its model        decode/  a frame enters, paced, numbered, reconnected
                                  └─► its film         only while somebody watches
    a model    Batcher ─► Prepare ─► Run ─► Finish ─► Publish     infer/, preprocess/, postprocess/: a thread each
                                                         ├─► detections published                   publish/
                                                         └─► the camera's Overlay
    a film     frame + its detections from the Overlay ─► drawn ─► encoded ─► published             annotate/, encode/

Where frames stay on a GPU, Prepare and Run share a thread, as they only say what is to be done, and a last one,
Release, lets the frames go.

A live camera's lanes keep the newest frame and drop the rest; a file's lanes wait and lose nothing. A model never
waits for a film, and nothing waits for a subscriber. `Daemon` builds and joins; serve.py watches it run, answers
signals, and ends it.
"""

import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import cv2

from streamd import annotate, config, decode, encode, heap
from streamd.annotate.overlay import Overlay
from streamd.clock import Clock, Stop, StopGroup
from streamd.corridor import Audience, Doorway, Sink, Underway
from streamd.film import Encoder, Film
from streamd.flow.channel import Channel, Overflow
from streamd.flow.pipeline import AnyStage, Pipeline
from streamd.flow.stage import Feed, Relay, Stage
from streamd.flow.switch import Switch
from streamd.frames import Frame, Notice
from streamd.gpu.device import Gpu
from streamd.metrics import Metrics
from streamd.models import Change, Model, Models

LIVE_FILM_FRAMES = 8  # how far a film may run behind while it waits for detections: two slots of slow inference
FILE_LANE_FRAMES = 2
# How long a thread keeps Python to itself while others want it. Those of a model do little in Python, but wait for it
# after every call that let it go: with 64 cameras on a GPU 5 ms, Python's own choice, cost a third of the frames.
SWITCH_S = 0.0005
FIXED = ("publish", "metrics", "drain_timeout")  # sections that a reload does not touch


@dataclass(frozen=True, slots=True)
class Place:
    """A camera at work: its signal to end, and its stages (the source first, then its film if it has one).

    `lane` is its way to its model.
    """

    source: decode.Camera
    stop: Stop
    stages: list[AnyStage]
    lane: Switch[Frame]


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
        sys.setswitchinterval(SWITCH_S)
        self.settings = settings
        self._sink = sink
        self._metrics = metrics
        self._clock = clock
        self._stop = StopGroup()
        self._underway = Underway()
        self._models = Models(settings, sink, self._underway, metrics, clock)
        self._encoders: dict[Gpu | None, Callable[[], Encoder]] = {}
        self._choose_encoders(self._models.values())
        self._arriving = {
            name: self._open(name, camera, self._models[camera.model]) for name, camera in settings.cameras.items()
        }
        self._places: dict[str, Place] = {}
        self._leaving: dict[str, Place] = {}
        self.ending = False  # every source has ended: the models take no camera any more
        self.pipeline = Pipeline([], self._stop)

    def start(self) -> None:
        """Start everything: cameras, models and films, in the order that frames meet them."""
        for name in list(self._arriving):
            self._places[name] = self._admit(name)
        places = self._places.values()
        for stages in (
            *(place.stages[:1] for place in places),
            *(model.stages for model in self._models.values()),
            *(place.stages[1:] for place in places),
        ):
            self.pipeline.add(stages)
        self.pipeline.start()

    def tick(self) -> bool:
        """See to cameras that come and go, and to the models' end once there are none; true when all has ended."""
        running = set(self.pipeline.running())
        if self.stopping:  # a stage that failed may have kept frames that are waited for here
            self._arriving.clear()
        for name, place in list(self._leaving.items()):
            if name not in self._underway and not any(stage.name in running for stage in place.stages):
                del self._leaving[name]
                if name in self._arriving:
                    self._arriving[name].follow(place.source)
                self._models.forget(name)
                self._metrics.forget(name)
                heap.trim()
        for place in self._places.values() if self._models.changing else ():
            place.lane.turn()
        self._models.tick(self.pipeline)
        for name in [name for name in self._arriving if name not in self._leaving]:
            self._places[name] = self._admit(name)
            self.pipeline.add(self._places[name].stages)
        sources = [place.stages[0].name for place in (*self._places.values(), *self._leaving.values())]
        if not self._arriving and not set(self.pipeline.running()).intersection(sources):
            self.ending = True
            for model in self._models.values():
                model.lanes.close()
        return not self._models.changing and self.pipeline.wait(0)

    def stop(self) -> None:
        """Tell every camera to end; what is under way drains."""
        self._arriving.clear()
        self.pipeline.stop()

    @property
    def stopping(self) -> bool:
        """Whether the cameras were told to end, by a signal or by a stage that failed."""
        return self._stop.is_set()

    def awaited(self) -> dict[str, int]:
        """Return, for each model that frames wait for, how many runs it has finished: what a watchdog compares."""
        return {name: self._metrics.model(name).rows.count for name, model in self._models.items() if len(model.lanes)}

    def measure(self) -> None:
        """Look at what no stage counts: how much memory is taken on the GPUs."""
        for gpu in {model.gpu for model in self._models.values()}:
            if gpu is not None:
                self._metrics.gpu_bytes[f"cuda:{gpu.index}"] = gpu.used_bytes()

    def reload(self, settings: config.Config) -> tuple[str, ...]:
        """Apply new cameras and models and changed ones, end those that have gone, and leave the rest alone.

        It returns at once: `tick` starts what has changed when its old self has ended. A camera goes on while its
        model is replaced, unless the new one is on another GPU or calls its classes otherwise. Returned are the
        sections that changed but need a restart to take effect.

        Raises:
            ModelError: a model cannot be loaded; nothing was changed.
            DeviceError: there is no room for it on its GPU beside the old one; nothing was changed.
            SourceError: a new camera cannot be opened; nothing was changed.
        """
        old = self.settings.cameras
        later = tuple(key for key in FIXED if getattr(settings, key) != getattr(self.settings, key))
        change = self._models.prepare(settings)
        try:
            self._choose_encoders(change.fresh.values())
            models = {name: change.fresh.get(name) or self._models[name] for name in _used(settings)}
            changed = {
                name: camera
                for name, camera in settings.cameras.items()
                if camera != old.get(name) or not self._swappable(camera.model, change)
            }
            opened = {name: self._open(name, camera, models[camera.model]) for name, camera in changed.items()}
        except BaseException:
            self._models.discard(change)
            raise
        gone = [name for name in old if name not in settings.cameras]
        for name in (*gone, *changed):
            self._arriving.pop(name, None)
            if name in self._places:
                self._leaving[name] = self._places.pop(name)
                self._leaving[name].stop.set()
        self._swap(settings, change)
        self.settings = settings.model_copy(update={key: getattr(self.settings, key) for key in FIXED})
        self._arriving |= opened
        for name in (*gone, *changed):
            reason = "removed" if name in gone else "changed" if name in old else "added"
            self._sink.event(Notice(name, 0, "config", self._clock.unix_ns(), reason))
        return later

    def close(self) -> None:
        """Give the models' buffers back; call when every stage has ended."""
        self._models.close()

    def _choose_encoders(self, models: Iterable[Model]) -> None:
        video = self.settings.publish.video
        if video is not None:
            for gpu in {model.line.gpu for model in models} - set(self._encoders):
                self._encoders[gpu] = encode.choose(video, gpu)

    def _swappable(self, model: str, change: Change) -> bool:
        """Tell whether a camera of this model goes on: with the model it has, or with one that can take its place."""
        new = change.fresh.get(model)
        if new is None:
            return True
        old = self._models.get(model)
        return old is not None and (old.line.gpu, old.labels) == (new.line.gpu, new.labels)

    def _swap(self, settings: config.Config, change: Change) -> None:
        """Have the cameras that go on send their frames to the new models, and put those in place."""
        for name, place in self._places.items():
            model = settings.cameras[name].model
            if model in change.fresh:
                old, new = self._models[model], change.fresh[model]
                if name in old.overlays:
                    old.overlays[name].share()
                    new.overlays[name] = old.overlays[name]
                place.lane.to(self._lane(name, new, place.source.live, _sharing(settings, model)))
        self._models.apply(change, self.pipeline)

    def _open(self, name: str, camera: config.Camera, model: Model) -> decode.Camera:
        source = decode.open_camera(name, camera, self.settings.base, self._clock, gpu=model.line.gpu)
        source.check()
        return source

    def _admit(self, name: str) -> Place:
        """Give a camera its lanes and stages; they do not run yet."""
        source, camera = self._arriving.pop(name), self.settings.cameras[name]
        model, metrics, video = self._models[camera.model], self._metrics.camera(name), self.settings.publish.video
        metrics.watch(source.stats, source.patience_s)
        audience = Audience(self._sink, name, always=video is not None and video.when == "always")
        overflow = Overflow.DROP_OLDEST if source.live else Overflow.BLOCK
        films: list[AnyStage] = []
        film: Channel[Frame] | None = None
        if video is not None:
            overlay = model.overlays[name] = Overlay()
            film = Channel(LIVE_FILM_FRAMES, overflow, on_drop=lambda _: metrics.dropped("film"))
            metrics.queues["film"] = film.__len__
            draw = annotate.Annotate(model.line.backend.manifest.labels, model.line.gpu)
            films = [
                Stage(
                    f"{name}/film",
                    Film(overlay, draw, self._encoders[model.line.gpu](), audience, self._sink, metrics),
                    film,
                )
            ]
        lane = Switch(self._lane(name, model, source.live, _sharing(self.settings, camera.model)))
        stop = self._stop.member()
        doorway = Doorway(lane, film, audience, self._sink, self._underway, metrics)
        stage: AnyStage = Stage(f"{name}/camera", Relay(), Feed(source.frames(stop, doorway.put)), doorway)
        return Place(source, stop, [stage, *films], lane)

    def _lane(self, camera: str, model: Model, live: bool, sharing: int) -> Channel[Frame]:
        """Give a camera its lane to a model: deep enough that all `sharing` it fill a batch, or on a GPU two."""
        metrics = self._metrics.camera(camera)

        def dropped(frame: Frame) -> None:
            self._underway.leave(frame)
            metrics.dropped("model")

        batches = 1 if model.line.gpu is None else 2
        lane = model.lanes.lane(
            1 if live else max(FILE_LANE_FRAMES, batches * -(-model.line.backend.batch // sharing)),
            Overflow.DROP_OLDEST if live else Overflow.BLOCK,
            on_drop=dropped,
        )
        metrics.queues["model"] = lane.__len__
        return lane


def _sharing(settings: config.Config, model: str) -> int:
    return max(1, sum(camera.model == model for camera in settings.cameras.values()))


def _used(settings: config.Config) -> set[str]:
    return {camera.model for camera in settings.cameras.values()}
