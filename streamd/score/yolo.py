"""The YOLO layout: `images/` and `labels/` side by side, a text file of `class x y width height` lines a picture.

`data.yaml` (names, path, val) or `classes.txt` names the classes. A picture without a text file shows nothing.
"""

import math
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from streamd.errors import DataError
from streamd.score.truth import SLACK, Dataset, Truth, boxes_of, pictures_in

SPLITS = ("val", "test", "train")


def read(folder: Path) -> Dataset:
    """Read the data set in `folder`; of several splits the one for validation.

    Raises:
        DataError: names, pictures or labels are missing, or a line is not five numbers that make a box.
    """
    about = _about(folder / "data.yaml")
    labels = _labels(folder, about)
    roots = _roots(folder, about)
    paths = [path for root in roots for path in pictures_in(root)]
    if not paths:
        raise DataError(f"{', '.join(map(str, roots))}: no pictures", mend="put them in images/, the labels in labels/")
    truths = tuple(_truth(path, len(labels)) for path in paths)
    if not any(_label_file(path).is_file() for path in paths):
        raise DataError(
            f"{paths[0]}: no labels at {_label_file(paths[0])}, nor for any other picture",
            mend="put a text file for each picture in labels/, in place of images/",
        )
    return Dataset(folder, "detect", labels, truths)


def _about(path: Path) -> dict[str, Any]:
    try:
        about = yaml.safe_load(path.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, yaml.YAMLError, ValueError, RecursionError) as error:
        text = " ".join(str(error).split())
        raise DataError(f"{path}: {text}", mend="write it as YAML with `names` and `val`") from error
    if not isinstance(about, dict):
        raise DataError(f"{path}: it holds no keys", mend="write `names` and `val`")
    return about


def _labels(folder: Path, about: dict[str, Any]) -> tuple[str, ...]:
    names = about.get("names")
    if isinstance(names, dict) and set(names) == set(range(len(names))):
        names = [names[index] for index in range(len(names))]
    if isinstance(names, list) and names:
        return tuple(map(str, names))
    if names is not None:
        raise DataError(f"{folder / 'data.yaml'}: names {names!r}", mend="write a list, or one number a name from 0")
    path = next((p for p in (folder / "classes.txt", folder / "labels" / "classes.txt") if p.is_file()), None)
    if path is None:
        raise DataError(f"{folder}: its classes have no names", mend="write data.yaml with `names`, or classes.txt")
    labels = tuple(line.strip() for line in _text(path).splitlines() if line.strip())
    if not labels:
        raise DataError(f"{path}: it is empty", mend="write one name a line")
    return labels


def _roots(folder: Path, about: dict[str, Any]) -> list[Path]:
    chosen = next((about[split] for split in SPLITS if about.get(split)), "images")
    parts = chosen if isinstance(chosen, list) else [chosen]
    base = folder / str(about.get("path") or ".")
    roots = []
    for part in map(str, parts):
        found = next((root for root in (base / part, folder / part) if root.is_dir()), None)
        if found is None:
            raise DataError(f"{base / part}: no such folder of pictures", mend="name one in data.yaml, or make images/")
        roots.append(found)
    return roots


def _label_file(picture: Path) -> Path:
    """Return where the labels of a picture are: the last `images` of its path is `labels`."""
    parts = list(picture.parts)
    if "images" in parts:
        parts[len(parts) - 1 - parts[::-1].index("images")] = "labels"
    return Path(*parts).with_suffix(".txt")


def _truth(picture: Path, classes: int) -> Truth:
    path = _label_file(picture)
    rows = []
    if path.is_file():
        for number, line in enumerate(_text(path).splitlines(), start=1):
            if line.strip():
                rows.append(_row(line, classes, f"{path}:{number}"))
    boxes = boxes_of((x - w / 2, y - h / 2, x + w / 2, y + h / 2) for _, x, y, w, h in rows)
    class_ids = np.array([row[0] for row in rows], np.int32)
    return Truth(picture, np.clip(boxes, 0, 1), class_ids, np.zeros(len(rows), np.bool_), relative=True)


def _row(line: str, classes: int, place: str) -> tuple[int, float, float, float, float]:
    try:
        values = [float(word) for word in line.split()]
    except ValueError as error:
        raise DataError(
            f"{place}: {line.strip()!r} is not five numbers", mend="write class x y width height"
        ) from error
    if len(values) != 5:
        raise DataError(f"{place}: {len(values)} numbers, a box has 5", mend="write class x y width height")
    kind, x, y, width, height = values
    if not (math.isfinite(kind) and kind == int(kind) and 0 <= kind < classes):
        raise DataError(f"{place}: class {kind:g}, there are {classes} names", mend="name it, or correct the class")
    if width <= 0 or height <= 0:
        raise DataError(f"{place}: the box {width:g} by {height:g} has no size", mend="write a width and a height")
    if not all(-SLACK <= edge <= 1 + SLACK for edge in (x - width / 2, y - height / 2, x + width / 2, y + height / 2)):
        raise DataError(
            f"{place}: the box {x:g} {y:g} {width:g} {height:g} leaves the picture",
            mend="write centre and size as parts of the picture, 0 to 1",
        )
    return int(kind), x, y, width, height


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: {error}", mend="make it a readable text file") from error
