"""What stands between the rooms: the work of each stage on a model's line and on a camera's line.

    camera's thread    Doorway   a frame goes to its model, and to its film while somebody watches
    model's threads    Prepare   frames -> rows of a slot
                       Run       the slot through the model
                       Finish    rows -> detections
                       Publish   detections sent, before anything is drawn
                       Release   frames let go of
    film's thread      Film      the frame, its detections drawn on it, encoded and published (film.py)

These know every room and none of the wiring: daemon.py joins them.
"""

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import structlog

from streamd.annotate.overlay import Overlay
from streamd.flow.stage import Outbox, Work
from streamd.frames import Detections, EventKind, Frame, Notice, Packet, Picture, Surface
from streamd.letterbox import Letterbox
from streamd.metrics import CameraMetrics, ModelMetrics
from streamd.slots import SlotRing

CALM: frozenset[EventKind] = frozenset({"online", "config"})


class Sink(Protocol):
    """Where messages leave; nothing here ever waits for a reader."""

    def detections(
        self, frames: Sequence[Frame], found: Sequence[Detections], labels: Sequence[str], model: str
    ) -> None:
        """Publish what a run found on its frames."""

    def event(self, notice: Notice) -> None:
        """Publish what happened to a camera."""

    def video(self, packet: Packet) -> None:
        """Publish an access unit."""

    def wanted(self, camera: str) -> bool:
        """Whether anybody watches the camera's video now."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Frames that share one run of a model: frame i stands in row i of `slot`, placed there by geometry i."""

    frames: tuple[Frame, ...]
    geometries: tuple[Letterbox, ...]
    slot: int


@dataclass(frozen=True, slots=True)
class Found:
    """What a run found on each of its frames."""

    frames: tuple[Frame, ...]
    detections: list[Detections]


class Audience:
    """Whether a camera's video is wanted, and whether that has just begun. Asked by two threads."""

    def __init__(self, sink: Sink, camera: str, *, always: bool = False) -> None:
        """`always` makes video even when nobody has subscribed."""
        self._sink = sink
        self._camera = camera
        self._always = always
        self._watching = False
        self._arrived = False

    def watching(self) -> bool:
        """Tell whether the next frame is to be filmed."""
        watching = self._always or self._sink.wanted(self._camera)
        if watching and not self._watching:
            self._arrived = True
        self._watching = watching
        return watching

    def arrived(self) -> bool:
        """Tell, once, that an audience has come: whoever has just come needs a keyframe."""
        arrived, self._arrived = self._arrived, False
        return arrived


class Underway:
    """Which cameras have frames between their door and their detections. Any thread may call.

    A camera that begins anew, perhaps with another model, waits for these: its old session ends on the wire before
    its new one begins there.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._frames: Counter[str] = Counter()

    def __contains__(self, camera: str) -> bool:
        with self._lock:
            return camera in self._frames

    def enter(self, frame: Frame) -> None:
        """Count a frame that is about to be handed to its model."""
        with self._lock:
            self._frames[frame.camera] += 1

    def leave(self, frame: Frame) -> None:
        """Count one off that was published, or dropped."""
        with self._lock:
            self._frames[frame.camera] -= 1
            if not self._frames[frame.camera]:
                del self._frames[frame.camera]


class Doorway:
    """The outbox of a camera: each frame to its model first, then to its film while it is watched."""

    def __init__(
        self,
        model: Outbox[Frame],
        film: Outbox[Frame] | None,
        audience: Audience,
        sink: Sink,
        underway: Underway,
        metrics: CameraMetrics,
    ) -> None:
        """`film` is None where no video is published; whoever drops a frame of the model's tells `underway`."""
        self._model = model
        self._film = film
        self._audience = audience
        self._sink = sink
        self._underway = underway
        self._metrics = metrics
        self._log = structlog.get_logger()

    def put(self, item: Frame | Notice) -> None:
        """Pass on a frame, or tell subscribers and the log what happened to the camera."""
        if isinstance(item, Notice):
            calm = item.kind in CALM or item.reason in ("", "stopped")
            tell = self._log.info if calm else self._log.warning
            words = {"state": item.state, "cause": item.cause, "reason": item.reason}
            tell(
                item.kind,
                camera=item.camera,
                session=item.session,
                **{key: word for key, word in words.items() if word},
            )
            self._metrics.noticed(item)
            self._sink.event(item)
            return
        self._metrics.decoded(item)
        if item.infer:
            self._underway.enter(item)
            self._model.put(item)
        if self._film is not None:
            watching = self._audience.watching()
            self._metrics.wanted(watching)
            if watching:
                self._film.put(item)

    def finish(self) -> None:
        """End both lanes."""
        self._model.finish()
        if self._film is not None:
            self._film.finish()


class Fill(Protocol):
    """Makes a slot's inputs of pictures, wherever those and the model are."""

    def __call__(self, pictures: Sequence[Picture | Surface], slot: int) -> tuple[Letterbox, ...]:
        """Fill the first rows of `slot`, one a picture; return where each stands in its row."""


class Read(Protocol):
    """Makes detections of what a run left in a slot, wherever that is."""

    def __call__(self, slot: int, geometries: Sequence[Letterbox]) -> list[Detections]:
        """Return one `Detections` a geometry, in source pixels; nothing in them refers to the slot."""


class Prepare(Work[tuple[Frame, ...], Batch]):
    """Fills a free slot with a batch of frames."""

    def __init__(self, fill: Fill, ring: SlotRing, metrics: ModelMetrics) -> None:
        self._fill = fill
        self._ring = ring
        self._metrics = metrics

    def __call__(self, frames: tuple[Frame, ...]) -> Iterator[Batch]:
        """Letterbox each frame into its row; waits for a free slot."""
        slot = self._ring.acquire()
        with self._metrics.stage("prepare"):
            geometries = self._fill([frame.picture for frame in frames], slot)
        self._ring.fill(slot)
        yield Batch(frames, geometries, slot)

    def close(self) -> None:
        """Wake whoever waits for a slot."""
        self._ring.close()


class Run(Work[Batch, Batch]):
    """Runs filled slots through the model, one after another."""

    def __init__(self, run: Callable[[int, int], None], ring: SlotRing, metrics: ModelMetrics) -> None:
        """`run` takes a slot and how many of its rows; on a GPU it may return before they have run."""
        self._run = run
        self._ring = ring
        self._metrics = metrics

    def __call__(self, batch: Batch) -> Iterator[Batch]:
        """Run the rows of the batch."""
        self._ring.start(batch.slot)
        with self._metrics.stage("run"):
            self._run(batch.slot, len(batch.frames))
        self._ring.finish(batch.slot)
        self._metrics.ran(len(batch.frames))
        yield batch

    def close(self) -> None:
        """Wake whoever waits for a slot."""
        self._ring.close()


class Finish(Work[Batch, Found]):
    """Turns a slot's outputs into detections, and gives the slot back."""

    def __init__(
        self, read: Read, ring: SlotRing, steps: Callable[[int], Mapping[str, float]], metrics: ModelMetrics
    ) -> None:
        """`steps` tells what a slot that has been read spent on a GPU, in seconds by step."""
        self._read = read
        self._ring = ring
        self._steps = steps
        self._metrics = metrics

    def __call__(self, batch: Batch) -> Iterator[Found]:
        """Wait for the run and read it."""
        with self._metrics.stage("finish"):
            detections = self._read(batch.slot, batch.geometries)
            for step, seconds in self._steps(batch.slot).items():
                self._metrics.stage(f"gpu-{step}").seconds.observe(seconds)
            self._ring.release(batch.slot)
        yield Found(batch.frames, detections)

    def close(self) -> None:
        """Wake whoever waits for a slot."""
        self._ring.close()


class Publish(Work[Found, tuple[Frame, ...]]):
    """Sends what was found: a thread of its own, so that the next run is read while sockets take this one's."""

    def __init__(
        self,
        name: str,
        labels: Sequence[str],
        sink: Sink,
        overlays: Mapping[str, Overlay],
        underway: Underway,
        metrics: ModelMetrics,
    ) -> None:
        """`overlays` holds one a camera; cameras may come and go while the stage runs."""
        self._name = name
        self._labels = labels
        self._sink = sink
        self._overlays = overlays
        self._underway = underway
        self._metrics = metrics

    def __call__(self, found: Found) -> Iterator[tuple[Frame, ...]]:
        """Publish the detections of each frame, then offer them to its film; pass the frames on."""
        with self._metrics.stage("publish"):
            self._sink.detections(found.frames, found.detections, self._labels, self._name)
            for frame, detections in zip(found.frames, found.detections, strict=True):
                self._metrics.published(frame)
                overlay = self._overlays.get(frame.camera)
                if overlay is not None:
                    overlay.post(frame.key, detections)
                self._underway.leave(frame)
        yield found.frames

    def close(self) -> None:
        """Let no film wait for detections that will not come."""
        for overlay in list(self._overlays.values()):
            overlay.finish()


class Release(Work[tuple[Frame, ...], None]):
    """Lets frames go. FFmpeg takes each one back without Python's lock, for which a thread then queues again."""

    def __call__(self, frames: tuple[Frame, ...]) -> Iterable[None]:
        """Do nothing: the stage that called holds the last of them, and drops it."""
        return ()
