"""Pictures as a model takes them, held in memory because they are run many times."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from streamd.decode import picture_from_image
from streamd.errors import DataError
from streamd.frames import Picture
from streamd.int8.session import Array
from streamd.letterbox import Letterbox
from streamd.manifest import Input
from streamd.preprocess import HostPreprocess
from streamd.score import dataset
from streamd.score.truth import Dataset, Truth

ANY_FOLDER = "."  # of dataset.READERS: a folder a class


@dataclass(slots=True)
class Feed:
    """One input (N, C, H, W) a picture, where the picture lies in it, and its truth where there are labels.

    N is 1, but for models of a fixed batch: all N rows are the same picture, and the first answer counts.
    """

    inputs: list[Array] = field(default_factory=list)
    geometries: list[Letterbox] = field(default_factory=list)
    truths: list[Truth] = field(default_factory=list)

    @classmethod
    def of(cls, spec: Input, pictures: Iterable[Picture], rows: int = 1) -> "Feed":
        """Preprocess `pictures` as the daemon does; `rows` is N.

        Raises:
            DataError: there is none.
        """
        feed = cls()
        fill = HostPreprocess(spec)
        for picture in pictures:
            row = np.empty((1, spec.channels, spec.height, spec.width), spec.dtype)
            feed.geometries.append(fill(picture, row[0]))
            feed.inputs.append(np.repeat(row, rows, axis=0))
        if not feed.inputs:
            raise DataError("there is no picture to measure on", mend="name pictures or videos, not batch files")
        return feed

    @classmethod
    def labelled(cls, spec: Input, dataset: Dataset, rows: int = 1) -> "Feed":
        """Read and preprocess the pictures of a data set; `rows` is N.

        Raises:
            SourceError: a picture cannot be read.
            DataError: its labels are of another size, or there is none.
        """
        truths: list[Truth] = []

        def pictures() -> Iterable[Picture]:
            for truth in dataset.truths:
                picture = picture_from_image(truth.path)
                truths.append(truth.within(picture.width, picture.height))
                yield picture

        feed = cls.of(spec, pictures(), rows)
        feed.truths = truths
        return feed

    def few(self, most: int) -> "Feed":
        """Return at most `most` of them, evenly chosen."""
        return self.taken([int(i) for i in np.linspace(0, len(self.inputs) - 1, min(most, len(self.inputs))).round()])

    def taken(self, chosen: Iterable[int]) -> "Feed":
        """Return those of the numbers `chosen`."""
        chosen = list(chosen)
        return Feed(
            [self.inputs[i] for i in chosen],
            [self.geometries[i] for i in chosen],
            [self.truths[i] for i in chosen] if self.truths else [],
        )


def labels_in(paths: Sequence[Path], head: str) -> Dataset | None:
    """Return the labelled data set that `paths` name, if it is one folder that holds labels.

    Raises:
        DataError: its labels are at fault, or are not what a model with such a head answers.
    """
    if len(paths) != 1 or not paths[0].is_dir():
        return None
    (folder,) = paths
    known = any((folder / landmark).exists() for landmark in dataset.READERS if landmark != ANY_FOLDER)
    if not known and not (head == "classify" and any(one.is_dir() for one in folder.iterdir())):
        return None
    read = dataset.read(folder)
    kind = "classify" if head == "classify" else "detect"
    if read.kind != kind:
        raise DataError(
            f"{folder}: is labelled to {read.kind}, the model's head is {head}", mend=f"name data labelled to {kind}"
        )
    return read
