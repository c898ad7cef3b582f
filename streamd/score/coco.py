"""The COCO layout: `annotations.json`, pictures where their `file_name` says."""

from collections import defaultdict
from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np
from msgspec import Meta, Struct

from streamd.errors import DataError
from streamd.score.truth import SLACK, Dataset, Truth, boxes_of

NAME = "annotations.json"
BBOX = "write x, y, width, height in pixels of the picture"
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
        DataError: it is not COCO's format, speaks of what it does not list, names a picture that is not there, or has
            a box outside of its picture.
    """
    path = folder / NAME
    file = _decode(path)
    categories = _used(file)
    index = {category.id: place for place, category in enumerate(categories)}
    if len(index) != len(categories) or not index:
        raise DataError(f"{path}: its categories are empty or share an id", mend="list each category once")
    images = {image.id: image for image in file.images}
    if len(images) != len(file.images) or not images:
        raise DataError(f"{path}: its images are none, or share an id", mend="list each image once")
    by_image = defaultdict(list)
    for number, annotation in enumerate(file.annotations):
        _check(annotation, f"{path}: annotations[{number}]", index, images)
        by_image[annotation.image_id].append(annotation)
    truths = tuple(_truth(folder, image, by_image[image.id], index) for image in file.images)
    return Dataset(folder, "detect", tuple(category.name for category in categories), truths)


def _decode(path: Path) -> _File:
    try:
        return msgspec.json.decode(path.read_bytes(), type=_File)
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}", mend="make the annotations readable") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DataError(f"{path}: {error}", mend="write COCO's images, annotations and categories") from error


def _used(file: _File) -> list[_Category]:
    """Return the categories, without a tool's leftovers: those that nothing is of, called like one in use."""
    used = {annotation.category_id for annotation in file.annotations}
    names = {category.name for category in file.categories if category.id in used}
    return [category for category in file.categories if category.id in used or category.name not in names]


def _check(annotation: _Annotation, place: str, index: dict[int, int], images: dict[int, _Image]) -> None:
    if annotation.category_id not in index:
        raise DataError(f"{place}: category {annotation.category_id} is not listed", mend="list it in categories")
    if min(annotation.bbox[2:]) < 0:
        raise DataError(f"{place}: bbox {annotation.bbox} is inside out", mend=BBOX)
    image = images.get(annotation.image_id)
    if image is None:
        raise DataError(f"{place}: is of image {annotation.image_id}", mend="list that image, or drop it")
    x, y, width, height = annotation.bbox
    edges = (x / image.width, y / image.height, (x + width) / image.width, (y + height) / image.height)
    if not all(-SLACK <= edge <= 1 + SLACK for edge in edges):
        raise DataError(
            f"{place}: bbox {annotation.bbox} leaves the picture of {image.width}x{image.height}", mend=BBOX
        )


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
