"""The models at work: loaded, started, and replaced while cameras go on.

A reload that finds another model under a name, or another file under its path, loads the new one beside the old one,
has the frames wait for it, lets the old one finish what it has, and only then starts the new one: detections leave in
the order of the frames, and a model that cannot be loaded has changed nothing.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from streamd import config, cores, infer, manifest
from streamd.annotate.overlay import Overlay
from streamd.clock import Clock
from streamd.corridor import Finish, Prepare, Publish, Release, Run, Sink, Underway
from streamd.errors import ModelError
from streamd.flow.channel import Select
from streamd.flow.pipeline import AnyStage, Pipeline
from streamd.flow.stage import Joined, Work, chain
from streamd.frames import Frame
from streamd.gpu.device import Gpu
from streamd.infer.batcher import Batcher
from streamd.line import Line, lay
from streamd.metrics import Metrics

Seen = tuple[tuple[int, int, int] | None, ...]


@dataclass(frozen=True, slots=True)
class Model:
    """A model at work: how its rooms fit, where its frames come in, its stages, and what keeps detections for films.

    `seen` is what its files were when it was loaded.
    """

    settings: config.Model
    seen: Seen
    line: Line
    lanes: Select[Frame]
    overlays: dict[str, Overlay]
    stages: list[AnyStage]

    @property
    def labels(self) -> tuple[str, ...]:
        """What its classes are called."""
        return tuple(self.line.backend.manifest.labels)

    @property
    def gpu(self) -> Gpu | None:
        """Where it runs; None on the CPU."""
        backend = self.line.backend
        return backend.slots.gpu if isinstance(backend, infer.DeviceBackend) else None

    def close(self) -> None:
        """Give its buffers back; call when its stages have ended, or never began."""
        self.line.backend.close()


@dataclass(frozen=True, slots=True)
class Change:
    """What a reload is about to do: models that are loaded and wait, and names that nobody uses any more."""

    fresh: dict[str, Model]
    gone: frozenset[str]


class Models:
    """Every model that a camera uses, by name."""

    def __init__(self, settings: config.Config, sink: Sink, underway: Underway, metrics: Metrics, clock: Clock) -> None:
        """Load them; `underway` is told of every frame that has been published.

        Raises:
            ModelError: one cannot be loaded, or lacks a class that the configuration asks for.
            DeviceError: there is no such GPU, or it has no memory left.
        """
        self._base = settings.base
        self._sink = sink
        self._underway = underway
        self._metrics = metrics
        self._clock = clock
        self._log = structlog.get_logger()
        self._models: dict[str, Model] = {}
        # By name, those that are to end, oldest first: only that one runs. All behind it, and the model of that name
        # in `_models`, wait for their turn.
        self._leaving: dict[str, list[Model]] = {}
        self._models = self.prepare(settings).fresh

    def __getitem__(self, name: str) -> Model:
        return self._models[name]

    def get(self, name: str) -> Model | None:
        """Return the model of a name; None where no camera uses it yet."""
        return self._models.get(name)

    def items(self) -> Iterable[tuple[str, Model]]:
        """Return the models that take frames, by name."""
        return self._models.items()

    def values(self) -> Iterable[Model]:
        """Return the models that take frames."""
        return self._models.values()

    @property
    def changing(self) -> bool:
        """Whether a model has yet to end, and another to begin in its place."""
        return bool(self._leaving)

    def prepare(self, settings: config.Config) -> Change:
        """Load what is new and what has changed; nothing else happens yet.

        Raises:
            ModelError: one cannot be loaded, or is still being replaced; what was loaded is closed again.
            DeviceError: likewise.
        """
        used = dict.fromkeys(camera.model for camera in settings.cameras.values())
        change = Change({}, frozenset(self._models) - set(used))
        try:
            for name in used:
                model = settings.models[name]
                old = self._models.get(name)
                if old is None or (model, look(model, self._base)) != (old.settings, old.seen):
                    if name in self._leaving:
                        raise ModelError(f"model {name} is still being replaced", mend="reload again in a moment")
                    change.fresh[name] = self._load(name, model)
        except BaseException:
            self.discard(change)
            raise
        return change

    def discard(self, change: Change) -> None:
        """Close what was loaded in vain; what is counted goes with it, but for a model that is at work or leaves."""
        for name, model in change.fresh.items():
            model.close()
            if name not in self._models and name not in self._leaving:
                self._metrics.models.pop(name, None)

    def apply(self, change: Change, pipeline: Pipeline) -> None:
        """Put loaded models in their places; their frames may come from now on."""
        for name in (*change.fresh, *change.gone):
            if name in self._models:
                old = self._models.pop(name)
                old.lanes.close()
                self._leaving.setdefault(name, []).append(old)
        self._models |= change.fresh
        for name, model in change.fresh.items():
            if name not in self._leaving:
                pipeline.add(model.stages)

    def tick(self, pipeline: Pipeline) -> None:
        """Close models that have ended, and start those that waited for it."""
        running = set(pipeline.running())
        for name, leaving in list(self._leaving.items()):
            if any(stage.name in running for stage in leaving[0].stages):
                continue
            leaving.pop(0).close()
            if leaving:
                pipeline.add(leaving[0].stages)
                continue
            del self._leaving[name]
            if name in self._models:
                pipeline.add(self._models[name].stages)
                self._log.info("model replaced", model=name)
            else:
                self._metrics.models.pop(name, None)
                self._log.info("model removed", model=name)

    def forget(self, camera: str) -> None:
        """Keep no detections of a camera that has gone."""
        for model in self._all():
            model.overlays.pop(camera, None)

    def close(self) -> None:
        """Give every model's buffers back; call when every stage has ended."""
        for model in self._all():
            model.close()

    def _all(self) -> list[Model]:
        return [*self._models.values(), *(model for leaving in self._leaving.values() for model in leaving)]

    def _load(self, name: str, settings: config.Model) -> Model:
        seen = look(settings, self._base)
        line = lay(name, settings, self._base)
        lanes: Select[Frame] = Select()
        overlays: dict[str, Overlay] = {}
        backend, ring, metrics = line.backend, line.backend.ring, self._metrics.model(name)
        prepare, run = Prepare(line.fill, ring, metrics), Run(line.run, ring, metrics)
        finish = Finish(line.read, ring, line.steps, metrics)
        publish = Publish(name, backend.manifest.labels, self._sink, overlays, self._underway, metrics)
        works: list[Work[Any, Any]] = (
            [prepare, run, finish, Joined(publish, Release())]
            if line.gpu is None
            # With frames on a GPU, both only say what is to be done (but for runs that ONNX Runtime itself waits for,
            # see ort_cuda.py); and frames are let go of by the thousand.
            else [Joined(prepare, run), finish, publish, Release()]
        )
        batches = Batcher(lanes, backend.batch, settings.max_wait, self._clock, ring.wait)
        begin = None if line.gpu is None else cores.gather
        return Model(settings, seen, line, lanes, overlays, chain(name, batches, works, len(ring), begin))


def look(model: config.Model, base: Path) -> Seen:
    """Return what tells one state of a model's files from another; None for one that is not there."""
    path = config.locate(model.path, base)
    return tuple(_about(each) for each in (path, manifest.beside(path), path.with_suffix(".json")))


def _about(path: Path) -> tuple[int, int, int] | None:
    try:
        about = path.stat()
    except OSError:
        return None
    return about.st_mtime_ns, about.st_size, about.st_ino
