"""The COCO layout: `annotations.json`, pictures where their `file_name` says."""

from collections import defaultdict
from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np
from msgspec import Meta, Struct

from streamd.errors import DataError
from streamd.score.truth import Dataset, Truth, boxes_of

NAME = "annotations.json"
Side = Annotated[int, Meta(gt=0)]


class _Image(Struct):
    id: int
    file_name: str
    width: Side
    height: Side


class _Annotation(Struct):
    image_id: int
    category_id: int
    bbox: tuple[float, float, float, float]  # x, y, width, height in pixels
    iscrowd: int = 0


class _Category(Struct):
    id: int
    name: str


class _File(Struct):
    images: list[_Image]
    annotations: list[_Annotation]
    categories: list[_Category]


def read(folder: Path) -> Dataset:
    """Read `annotations.json` in `folder`.

    Raises:
        DataError: it is not COCO's format, speaks of what it does not list, or names a picture that is not there.
    """
    path = folder / NAME
    file = _decode(path)
    index = {category.id: place for place, category in enumerate(file.categories)}
    if len(index) != len(file.categories) or not index:
        raise DataError(f"{path}: its categories are empty or share an id", mend="list each category once")
    by_image = defaultdict(list)
    for number, annotation in enumerate(file.annotations):
        _check(annotation, f"{path}: annotations[{number}]", index)
        by_image[annotation.image_id].append(annotation)
    images = {image.id: image for image in file.images}
    if len(images) != len(file.images) or not images:
        raise DataError(f"{path}: its images are none, or share an id", mend="list each image once")
    if unknown := by_image.keys() - images.keys():
        raise DataError(f"{path}: an annotation is of image {min(unknown)}", mend="list that image, or drop it")
    truths = tuple(_truth(folder, image, by_image[image.id], index) for image in file.images)
    return Dataset(folder, "detect", tuple(category.name for category in file.categories), truths)


def _decode(path: Path) -> _File:
    try:
        return msgspec.json.decode(path.read_bytes(), type=_File)
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}", mend="make the annotations readable") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DataError(f"{path}: {error}", mend="write COCO's images, annotations and categories") from error


def _check(annotation: _Annotation, place: str, index: dict[int, int]) -> None:
    if annotation.category_id not in index:
        raise DataError(f"{place}: category {annotation.category_id} is not listed", mend="list it in categories")
    if min(annotation.bbox[2:]) < 0:
        raise DataError(f"{place}: bbox {annotation.bbox} is inside out", mend="write x, y, width, height in pixels")


def _truth(folder: Path, image: _Image, annotations: list[_Annotation], index: dict[int, int]) -> Truth:
    try:
        path = next((p for p in (folder / image.file_name, folder / "images" / image.file_name) if p.is_file()), None)
    except OSError as error:  # a name too long, a folder that may not be entered
        raise DataError(f"{folder / NAME}: an image's file_name: {error}", mend="name a picture to be read") from error
    if path is None:
        raise DataError(
            f"{folder / NAME}: image {image.file_name} is not there", mend=f"put it in {folder} or in its images/"
        )
    boxes = boxes_of((x, y, x + width, y + height) for x, y, width, height in (a.bbox for a in annotations))
    class_ids = np.array([index[a.category_id] for a in annotations], np.int32)
    crowd = np.array([bool(a.iscrowd) for a in annotations], np.bool_)
    return Truth(path, boxes, class_ids, crowd, size=(image.width, image.height))
