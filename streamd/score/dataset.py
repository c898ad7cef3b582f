"""A folder of labelled pictures, told apart by what stands in it.

annotations.json                      COCO: pictures where `file_name` says, beside it or in images/
data.yaml or classes.txt, labels/     YOLO: images/ holds the pictures, labels/ a text file for each
one folder a class                    classification
"""

from collections.abc import Callable
from pathlib import Path

from streamd.errors import DataError
from streamd.score import coco, folders, yolo
from streamd.score.truth import Dataset, pictures_in, twice

READERS: dict[str, Callable[[Path], Dataset]] = {
    coco.NAME: coco.read,
    "data.yaml": yolo.read,
    "classes.txt": yolo.read,
    "labels": yolo.read,
    ".": folders.read,
}


def read(folder: Path) -> Dataset:
    """Read the data set in `folder`, in whichever layout it is.

    Raises:
        DataError: it is not there, in no known layout, empty, or its labels are at fault; the fault's place is named.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder", mend="name the folder of a data set")
    reader = next(reader for landmark, reader in READERS.items() if _stands(folder / landmark))
    found = reader(folder)
    if alike := twice(found.labels):
        first, second = alike
        raise DataError(
            f"{folder}: classes {first} and {second} are both called {found.labels[second]!r}",
            mend="give each class a name of its own, more than capitals apart",
        )
    return found


def _stands(landmark: Path) -> bool:
    """Whether a landmark is there. A folder `labels` with pictures in it is a class of that name."""
    if landmark.name != "labels":
        return landmark.exists()
    return landmark.is_dir() and not pictures_in(landmark)
