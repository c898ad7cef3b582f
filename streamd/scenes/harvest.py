"""Renders a training set in parallel and keeps it small: pictures at the detector's width, boxes in its pixels."""

import multiprocessing
import os
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from streamd import output
from streamd.frames import U8
from streamd.scenes.scene import Scene

WIDTH, HEIGHT = 960, 540
SIZE = 416  # the detector's input
ROWS = round(HEIGHT * SIZE / WIDTH)
MOST = 64  # truths kept of one picture, the largest first
_APART = 83


@dataclass(frozen=True, slots=True)
class Harvest:
    """Pictures (N, ROWS, SIZE, 3: R, G, B), boxes (N, MOST, 4) in their pixels, and kinds (N, MOST); -1 pads."""

    pictures: U8
    boxes: npt.NDArray[np.float32]
    kinds: npt.NDArray[np.int8]


def harvest(split: str, scenes: int, frames: int, *, first_seed: int = 0, workers: int | None = None) -> Harvest:
    """Return `frames` pictures of each of `scenes` scenes; the same arguments give the same pictures."""
    jobs = [(split, first_seed + i, frames) for i in range(scenes)]
    pictures = np.empty((scenes, frames, ROWS, SIZE, 3), np.uint8)
    boxes = np.zeros((scenes, frames, MOST, 4), np.float32)
    kinds = np.full((scenes, frames, MOST), -1, np.int8)
    with multiprocessing.get_context("spawn").Pool(workers or os.cpu_count(), _single) as pool:
        for i, one in enumerate(pool.imap(_scene, jobs, chunksize=4)):
            pictures[i], boxes[i], kinds[i] = one
    count = scenes * frames
    return Harvest(pictures.reshape(count, ROWS, SIZE, 3), boxes.reshape(count, MOST, 4), kinds.reshape(count, MOST))


def kept(path: Path, split: str, scenes: int, frames: int, *, first_seed: int = 0) -> Harvest:
    """Return `harvest`, from `path` when it was harvested before."""
    if path.exists():
        with np.load(path) as data:
            return Harvest(data["pictures"], data["boxes"], data["kinds"])
    crop = harvest(split, scenes, frames, first_seed=first_seed)
    with output.whole(path) as part, part.open("wb") as file:
        np.savez(file, pictures=crop.pictures, boxes=crop.boxes, kinds=crop.kinds)
    return crop


def _single() -> None:
    cv2.setNumThreads(1)


def _scene(job: tuple[str, int, int]) -> tuple[U8, npt.NDArray[np.float32], npt.NDArray[np.int8]]:
    split, seed, frames = job
    scene = Scene(seed, split=split, width=WIDTH, height=HEIGHT)
    pictures = np.empty((frames, ROWS, SIZE, 3), np.uint8)
    boxes = np.zeros((frames, MOST, 4), np.float32)
    kinds = np.full((frames, MOST), -1, np.int8)
    for i in range(frames):
        picture, truths = scene.frame(_APART * i)
        small = cv2.resize(picture, (SIZE, ROWS), interpolation=cv2.INTER_LINEAR)
        pictures[i] = cv2.cvtColor(small, cv2.COLOR_BGR2RGB)
        largest = sorted(truths, key=lambda t: (t.box[0] - t.box[2]) * (t.box[3] - t.box[1]))[:MOST]
        for k, truth in enumerate(largest):
            boxes[i, k] = np.array(truth.box) * (SIZE / WIDTH)
            kinds[i, k] = truth.class_id
    return pictures, boxes, kinds
