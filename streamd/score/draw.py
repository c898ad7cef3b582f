"""Pictures with their truth and what a model found, for the eye: truth in white, findings in a class's colour."""

import itertools
import os
from pathlib import Path

import cv2
import numpy as np

from streamd import output
from streamd.errors import DataError
from streamd.frames import U8, Detections, Picture
from streamd.preprocess.colour import yuv_to_rgb
from streamd.score.truth import Dataset, Truth

WHITE = (255, 255, 255)
COLOURS = ((60, 180, 75), (0, 130, 200), (230, 25, 75), (245, 130, 48), (145, 30, 180), (70, 240, 240))  # R, G, B


def draw(picture: Picture, truth: Truth | None, found: Detections, labels: tuple[str, ...], least: float) -> U8:
    """Return the picture (H, W, 3) B, G, R with the truth's boxes and the findings that score at least `least`."""
    canvas = _bgr(picture)
    if truth is not None:
        for x1, y1, x2, y2 in truth.boxes.round().astype(int).tolist():
            cv2.rectangle(canvas, (x1, y1), (x2, y2), WHITE, 3)
    for box, score, kind in zip(found.boxes, found.scores, found.class_ids, strict=True):
        if score < least:
            continue
        colour = COLOURS[int(kind) % len(COLOURS)][::-1]
        x1, y1, x2, y2 = box.round().astype(int).tolist()
        cv2.rectangle(canvas, (x1, y1), (x2, y2), colour, 1)
        text = f"{labels[int(kind)]} {score:.2f}"
        cv2.putText(canvas, text, (x1 + 2, max(y1 - 4, 12)), cv2.FONT_HERSHEY_SIMPLEX, 0.45, colour, 1, cv2.LINE_AA)
    return canvas


def names(dataset: Dataset) -> list[Path]:
    """Return for each picture the relative path that its drawing has: its own below the data set, ending in .jpg.

    Where two pictures would share one (a.png and a.jpg), the later keeps its whole name, or gets a number.
    """
    folder = os.path.abspath(dataset.folder)  # noqa: PTH100 - resolve() would follow links out of the data set
    found: dict[Path, None] = {}
    for truth in dataset.truths:
        path = Path(os.path.abspath(truth.path))  # noqa: PTH100 - as above
        own = path.relative_to(folder) if path.is_relative_to(folder) else Path(path.name)
        numbered = (own.with_name(f"{own.name}.{number}.jpg") for number in itertools.count(2))
        wanted = itertools.chain([own.with_suffix(".jpg"), own.with_name(f"{own.name}.jpg")], numbered)
        found[next(name for name in wanted if name not in found)] = None
    return list(found)


def write(path: Path, canvas: U8) -> None:
    """Write a drawn picture to `path`, its folders made.

    Raises:
        DataError: it cannot be written there.
    """
    done, packed = cv2.imencode(".jpg", canvas)
    if not done:
        raise DataError(f"{path}: OpenCV cannot make a JPEG of {canvas.shape[1]}x{canvas.shape[0]} pixels")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        output.write(path, packed.tobytes())
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}", mend="draw into a folder that can be written") from error


def _bgr(picture: Picture) -> U8:
    height, width = picture.y.shape
    chroma = [plane.repeat(2, axis=0).repeat(2, axis=1)[:height, :width] for plane in (picture.u, picture.v)]
    planes = np.stack([picture.y, *chroma, np.ones_like(picture.y)])
    pixels = np.tensordot(yuv_to_rgb(picture.colour)[::-1], planes, axes=1)
    return np.ascontiguousarray(np.clip(pixels.round(), 0, 255).astype(np.uint8).transpose(1, 2, 0))
