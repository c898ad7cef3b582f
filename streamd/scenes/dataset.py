"""Labelled pictures on disk in the COCO layout: `images/*.jpg` and `annotations.json`.

Each scene gives a few frames seconds apart, so that a set of a thousand pictures shows hundreds of streets.
"""

import json
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2

from streamd import output
from streamd.errors import DataError
from streamd.frames import U8
from streamd.scenes.scene import CLASSES, Scene, Truth

NAME, FOLDER = "annotations.json", "images"
AUTHOR = "streamd scenes"
FRAMES_A_SCENE = 4
SCENES_A_SEED = 1000
MOST = FRAMES_A_SCENE * SCENES_A_SEED  # pictures of one seed
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

    The same arguments give the same set. `progress` is told how many of how many are drawn. Nothing under `out`
    changes before all are drawn; then they take the place of what an earlier call wrote there.

    Raises:
        DataError: `out` cannot be written, or the split, the size or so many pictures cannot be made.
    """
    path = out / NAME
    try:
        with output.folder(out), tempfile.TemporaryDirectory(prefix=output.PREFIX, dir=out) as name:
            drawn = Path(name)
            file = _describe(f"{AUTHOR}, split {split}, seed {seed}")
            for number, (file_name, picture, truths) in enumerate(
                labelled(split, images, seed, width, height), start=1
            ):
                _write(drawn / file_name, picture)
                _list(file, f"{FOLDER}/{file_name}", picture, truths)
                if progress is not None:
                    progress(number, images)
            _move(drawn, out, _of_earlier_set(path))
            output.write(path, json.dumps(file).encode())
    except OSError as error:
        raise DataError(f"{out}: {error.strerror}", mend="make room, or choose a folder that can be written") from error
    return path


def labelled(
    split: str, images: int, seed: int, width: int = 960, height: int = 540
) -> Iterator[tuple[str, U8, tuple[Truth, ...]]]:
    """Yield `images` pictures of `split` with file name and truth; the scenes' seeds count up from 1000 * `seed`.

    Raises:
        DataError: there are more than `MOST`: the next scene belongs to the next seed.
    """
    if images > MOST:
        raise DataError(f"{images} pictures of seed {seed}: there are {MOST}", mend="draw the others with another seed")
    for first in range(0, images, FRAMES_A_SCENE):
        number = SCENES_A_SEED * seed + first // FRAMES_A_SCENE
        scene = Scene(number, split=split, width=width, height=height)
        for k in range(min(FRAMES_A_SCENE, images - first)):
            picture, truths = scene.frame(_APART * k)
            yield f"{number:08d}-{k}.jpg", picture, truths


def _write(path: Path, picture: U8) -> None:
    done, packed = cv2.imencode(".jpg", picture, (cv2.IMWRITE_JPEG_QUALITY, _QUALITY))
    if not done:
        raise DataError(f"{path}: OpenCV cannot make a JPEG")
    path.write_bytes(packed.tobytes())


def _describe(text: str) -> dict[str, Any]:
    """Return an empty file of COCO's format."""
    categories = [{"id": i, "name": label, "supercategory": "street"} for i, label in enumerate(CLASSES)]
    info = {"description": text, "version": "1"}
    return {"info": info, "licenses": [], "images": [], "annotations": [], "categories": categories}


def _list(file: dict[str, Any], name: str, picture: U8, truths: tuple[Truth, ...]) -> None:
    """Add a picture and what is on it."""
    number, height, width = len(file["images"]) + 1, *picture.shape[:2]
    file["images"].append({"id": number, "file_name": name, "width": width, "height": height})
    for truth in truths:
        file["annotations"].append(_annotation(len(file["annotations"]) + 1, number, truth))


def _of_earlier_set(path: Path) -> set[str]:
    """Return the names of the pictures that an earlier set of ours lists; of a set of others nothing."""
    try:
        file = json.loads(path.read_bytes())
        ours = str(file["info"]["description"]).startswith(AUTHOR)
        return {Path(image["file_name"]).name for image in file["images"]} if ours else set()
    except FileNotFoundError:
        return set()
    except (ValueError, KeyError, TypeError):  # whoever wrote it, it was not this
        return set()


def _move(drawn: Path, out: Path, older: set[str]) -> None:
    """Move the pictures into place, and remove those of the older set that are not in this one."""
    (out / NAME).unlink(missing_ok=True)  # from here to the end there is no set, rather than one of two kinds
    (out / FOLDER).mkdir(exist_ok=True)
    for file in drawn.iterdir():
        older.discard(file.name)
        file.replace(out / FOLDER / file.name)
    for name in older:
        (out / FOLDER / name).unlink(missing_ok=True)


def _annotation(number: int, image: int, truth: Truth) -> dict[str, Any]:
    x1, y1, x2, y2 = truth.box
    return {
        "id": number, "image_id": image, "category_id": truth.class_id, "bbox": [x1, y1, x2 - x1, y2 - y1],
        "area": (x2 - x1) * (y2 - y1), "iscrowd": 0, "visible": round(truth.visible, 3),
    }  # fmt: skip
