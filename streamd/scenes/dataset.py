"""Labelled pictures on disk in the COCO layout: `images/*.jpg` and `annotations.json`.

Each scene gives a few frames seconds apart, so that a set of a thousand pictures shows hundreds of streets.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2

from streamd.errors import DataError
from streamd.frames import U8
from streamd.scenes.scene import CLASSES, Scene, Truth

FRAMES_A_SCENE = 4
_APART = 83  # frames between two pictures of one scene: over three seconds
_QUALITY = 92


def write_dataset(
    out: Path,
    *,
    split: str,
    images: int,
    seed: int,
    width: int = 960,
    height: int = 540,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Write `images` labelled pictures of `split` under `out`, and return the annotations' path.

    The same arguments give the same set. `progress` is told how many of how many are written.

    Raises:
        DataError: `out` cannot be written, or the split or the size cannot be made.
    """
    folder = out / "images"
    pictures: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for number, (name, picture, truths) in enumerate(labelled(split, images, seed, width, height), start=1):
            _write(folder / name, picture)
            pictures.append({"id": number, "file_name": f"images/{name}", "width": width, "height": height})
            annotations += [_annotation(len(annotations) + i, number, truth) for i, truth in enumerate(truths, start=1)]
            if progress is not None:
                progress(number, images)
        path = out / "annotations.json"
        categories = [{"id": i, "name": label, "supercategory": "street"} for i, label in enumerate(CLASSES)]
        info = {"description": f"streamd scenes, split {split}, seed {seed}", "version": "1"}
        path.write_text(
            json.dumps(
                {"info": info, "licenses": [], "images": pictures, "annotations": annotations, "categories": categories}
            )
        )
    except OSError as error:
        raise DataError(f"{out}: {error.strerror}", mend="choose a folder that can be written") from error
    return path


def labelled(
    split: str, images: int, seed: int, width: int = 960, height: int = 540
) -> Iterator[tuple[str, U8, tuple[Truth, ...]]]:
    """Yield `images` pictures of `split` with file name and truth; the scenes' seeds count up from 1000 * `seed`."""
    for first in range(0, images, FRAMES_A_SCENE):
        number = 1000 * seed + first // FRAMES_A_SCENE
        scene = Scene(number, split=split, width=width, height=height)
        for k in range(min(FRAMES_A_SCENE, images - first)):
            picture, truths = scene.frame(_APART * k)
            yield f"{number:08d}-{k}.jpg", picture, truths


def _write(path: Path, picture: U8) -> None:
    done, packed = cv2.imencode(".jpg", picture, (cv2.IMWRITE_JPEG_QUALITY, _QUALITY))
    if not done:
        raise DataError(f"{path}: OpenCV cannot make a JPEG")
    path.write_bytes(packed.tobytes())


def _annotation(number: int, image: int, truth: Truth) -> dict[str, Any]:
    x1, y1, x2, y2 = truth.box
    return {
        "id": number, "image_id": image, "category_id": truth.class_id, "bbox": [x1, y1, x2 - x1, y2 - y1],
        "area": (x2 - x1) * (y2 - y1), "iscrowd": 0, "visible": round(truth.visible, 3),
    }  # fmt: skip
