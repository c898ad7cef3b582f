"""A model run the way the daemon runs it: the same preprocess, backend and head. What is scored is what is served.

Only the timing differs: here the stages of a batch follow one another.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt
from msgspec.structs import replace

from streamd.errors import DataError
from streamd.frames import I32, Detections, Picture
from streamd.infer import Backend, load
from streamd.letterbox import Letterbox
from streamd.manifest import Input, Manifest
from streamd.postprocess import HEADS
from streamd.preprocess import reference
from streamd.preprocess.host import HostPreprocess
from streamd.score.truth import twice

Sum = Literal["host", "exact"]


@dataclass(frozen=True, slots=True)
class Options:
    """How a model is run, and which of its detections count. `preprocess` exact is the sum that defines the host's.

    An engine runs on `device`, anything else on the CPU.
    """

    batch: int = 1
    threads: int = 0
    preprocess: Sum = "host"
    confidence: float = 0.25
    iou: float = 0.45
    max_detections: int = 300
    device: str = "cuda:0"


class _Preprocess(Protocol):
    def __call__(self, picture: Picture, row: npt.NDArray[Any]) -> Letterbox:
        """Write `picture` into `row` (C, H, W) and return where it stands in it."""


class Served:
    """A loaded model and the stages around it. Call it with pictures; it owns the backend, so close it.

    With `labels` given, class ids index those labels instead of the model's own, and no other class is looked for;
    `unknown` are those among them that the model has no class for.
    """

    def __init__(
        self, path: Path, options: Options, labels: tuple[str, ...] | None = None, *, backend: Backend | None = None
    ) -> None:
        """`backend` is a model loaded already; without one, the file at `path` is."""
        self.path = path
        device = options.device if path.suffix.lower() == ".engine" else "cpu"
        self.backend = backend or load(path, batch=options.batch, threads=options.threads, device=device)
        self.manifest = self.backend.manifest
        self.unknown: tuple[str, ...] = ()
        self._preprocess: _Preprocess = _sum(options.preprocess, self.manifest.input)
        self._translation: I32 | None = None
        wanted = None
        if labels is not None:
            self._translation = translation(path, self.manifest, labels)
            wanted = frozenset(np.flatnonzero(self._translation >= 0).tolist())
            self.unknown = tuple(label for index, label in enumerate(labels) if index not in self._translation)
        self._head = HEADS[self.manifest.head](
            self.manifest,
            confidence=options.confidence,
            iou=options.iou,
            max_detections=options.max_detections,
            classes=wanted,
        )

    def __call__(self, pictures: Sequence[Picture]) -> list[Detections]:
        """Return what the model finds on each picture, in runs of up to `batch` of them."""
        found: list[Detections] = []
        for start in range(0, len(pictures), self.backend.batch):
            found += self._run(pictures[start : start + self.backend.batch])
        return found

    def fill(self, pictures: Sequence[Picture], slot: int) -> list[Letterbox]:
        """Write up to `batch` pictures into the rows of `slot`."""
        rows = self.backend.input(slot)
        return [self._preprocess(picture, row) for picture, row in zip(pictures, rows, strict=False)]

    def close(self) -> None:
        """Give the model back; safe twice."""
        self.backend.close()

    def _run(self, pictures: Sequence[Picture]) -> list[Detections]:
        backend, ring = self.backend, self.backend.ring
        slot = ring.acquire()
        geometries = self.fill(pictures, slot)
        ring.fill(slot)
        ring.start(slot)
        backend.run(slot, len(pictures))
        ring.finish(slot)
        found = self._head(backend.outputs(slot, len(pictures)), geometries)
        ring.release(slot)
        if self._translation is None:
            return found
        return [replace(one, class_ids=self._translation[one.class_ids]) for one in found]


def translation(path: Path, manifest: Manifest, labels: tuple[str, ...]) -> I32:
    """Return, for each class of a model, its index in `labels`; -1 where they lack it.

    Labels are compared without regard to case and outer blanks. A model without names, whose classes are numbered, is
    taken to have them in the order of `labels` when there are as many.

    Raises:
        DataError: the model and `labels` have no class in common, or two of `labels` are alike.
    """
    own = manifest.labels or labels
    if len(own) == len(labels) and all(label == f"class {index}" for index, label in enumerate(own)):
        own = labels
    if own == labels:
        return np.arange(len(own), dtype=np.int32)
    if alike := twice(labels):
        first, second = alike
        raise DataError(
            f"{path}: wanted are classes {first} and {second}, both called {labels[second]!r}: it cannot be told which",
            mend="give each class of the reference's manifest a name of its own",
        )
    places = {label.strip().lower(): index for index, label in enumerate(labels)}
    found = np.array([places.get(label.strip().lower(), -1) for label in own], np.int32)
    if (found < 0).all():
        raise DataError(
            f"{path}: it knows {_few(own)}, wanted are {_few(labels)}: not one class in common",
            mend="give the classes the same names, in the data or in the model's manifest",
        )
    return found


def _few(labels: Sequence[str]) -> str:
    return ", ".join(labels[:4]) + (f" and {len(labels) - 4} more" if len(labels) > 4 else "")


def _sum(kind: Sum, spec: Input) -> _Preprocess:
    if kind == "host":
        return HostPreprocess(spec)

    def exact(picture: Picture, row: npt.NDArray[Any]) -> Letterbox:
        row[...], geometry = reference.preprocess(picture, spec)
        return geometry

    return exact
