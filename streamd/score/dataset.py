"""A folder of labelled pictures, told apart by what stands in it.

annotations.json                      COCO: pictures where `file_name` says, beside it or in images/
data.yaml or classes.txt, labels/     YOLO: images/ holds the pictures, labels/ a text file for each
one folder a class                    classification
"""

from collections.abc import Callable
from pathlib import Path

from streamd.errors import DataError
from streamd.score import coco, folders, yolo
from streamd.score.truth import Dataset

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
    return next(reader(folder) for landmark, reader in READERS.items() if (folder / landmark).exists())
