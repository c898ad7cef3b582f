"""Pictures with their truth, whichever layout they were written in. Reads no pixels."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from streamd.errors import DataError
from streamd.frames import F32, I32

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp"})
SLACK = 0.01  # writers round: a box may reach this far, in parts of the picture, past its edge


@dataclass(frozen=True, slots=True)
class Truth:
    """What is on one picture. Of a classification only `class_ids` (1,) is filled.

    boxes (N, 4) float32 x1, y1, x2, y2 in pixels, or parts of the picture where `relative`; class_ids (N,) int32 index
    the data set's labels; crowd (N,) bool marks boxes around many objects, found or not without penalty.
    `size` is the picture's (width, height) where the labels tell it.
    """

    path: Path
    boxes: F32
    class_ids: I32
    crowd: npt.NDArray[np.bool_]
    relative: bool = False
    size: tuple[int, int] | None = None

    def within(self, width: int, height: int) -> "Truth":
        """Return the truth in pixels of the picture, which is `width` x `height`.

        Raises:
            DataError: the labels are of a picture of another size.
        """
        if self.size is not None and self.size != (width, height):
            raise DataError(
                f"{self.path}: the picture is {width}x{height}, its labels are of {self.size[0]}x{self.size[1]}",
                mend="put the picture there that was labelled",
            )
        if not self.relative:
            return self
        return replace(self, boxes=self.boxes * np.array([width, height] * 2, np.float32), relative=False)


@dataclass(frozen=True, slots=True)
class Dataset:
    """A data set of one kind; `labels` names the classes."""

    folder: Path
    kind: Literal["detect", "classify"]
    labels: tuple[str, ...]
    truths: tuple[Truth, ...]

    def spread(self, limit: int) -> "Dataset":
        """Return the data set with at most `limit` pictures, evenly spread over it; all of them when 0."""
        if not 0 < limit < len(self.truths):
            return self
        chosen = np.linspace(0, len(self.truths) - 1, limit).round().astype(int)
        return replace(self, truths=tuple(self.truths[index] for index in chosen))


def twice(labels: Sequence[str]) -> tuple[int, int] | None:
    """Return two places of one name, which are compared without regard to case and outer blanks; None without any."""
    seen: dict[str, int] = {}
    for place, label in enumerate(labels):
        first = seen.setdefault(label.strip().lower(), place)
        if first != place:
            return first, place
    return None


def pictures_in(folder: Path) -> list[Path]:
    """Return the pictures below `folder`, in order of their paths."""
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())


def boxes_of(rows: Iterable[tuple[float, float, float, float]]) -> F32:
    """Return rows of four numbers as (N, 4) float32, also when there are none."""
    return np.array(list(rows), np.float32).reshape(-1, 4)
