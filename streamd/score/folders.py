"""The classification layout: one folder a class, its name the label, its pictures below it."""

from pathlib import Path

import numpy as np

from streamd.errors import DataError
from streamd.score.truth import Dataset, Truth, boxes_of, pictures_in


def read(folder: Path) -> Dataset:
    """Read a folder of folders of pictures.

    Raises:
        DataError: it holds no folder with a picture.
    """
    found = {child.name: pictures_in(child) for child in sorted(folder.iterdir()) if child.is_dir()}
    labels = tuple(name for name, paths in found.items() if paths)
    if not labels or labels == ("images",):
        raise DataError(
            f"{folder}: no data set in a layout that streamd reads",
            mend="give it annotations.json (COCO), images/ and labels/ (YOLO), or one folder of pictures a class",
        )
    truths = tuple(
        Truth(path, boxes_of(()), np.array([index], np.int32), np.zeros(0, np.bool_))
        for index, name in enumerate(labels)
        for path in found[name]
    )
    return Dataset(folder, "classify", labels, truths)
