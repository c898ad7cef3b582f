"""What is calibrated on: pictures of files, folders, lists and videos, and TensorRT's sample batch files.

Pictures come through the daemon's own decoder and preprocessing, so that what is calibrated is what is served.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from streamd.decode import picture_from_image, pictures
from streamd.errors import DataError
from streamd.frames import Picture
from streamd.manifest import Input
from streamd.preprocess import PREPROCESS

Array = npt.NDArray[Any]
IMAGES = {".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"}
VIDEOS = {".avi", ".h264", ".m4v", ".mkv", ".mov", ".mp4", ".mpg", ".ts", ".webm"}
LISTS = {".txt", ".list"}
HEADER = 16  # bytes of a batch file's N, C, H, W


@dataclass(frozen=True, slots=True)
class Sources:
    """Files to calibrate on, sorted by kind."""

    images: tuple[Path, ...] = ()
    videos: tuple[Path, ...] = ()
    batches: tuple[Path, ...] = ()


def find(paths: Iterable[Path]) -> Sources:
    """Return the images, videos and batch files that `paths` name: themselves, in folders, or line by line in lists.

    Raises:
        DataError: a path does not exist, is of no known kind, or holds nothing.
    """
    images: list[Path] = []
    videos: list[Path] = []
    batches: list[Path] = []
    for path in (file for given in paths for file in _files(given)):
        suffix = path.suffix.lower()
        (images if suffix in IMAGES else videos if suffix in VIDEOS else batches).append(path)
    return Sources(tuple(images), tuple(videos), tuple(batches))


def shown(sources: Sources, frames: int, every: int = 0, part: tuple[float, float] = (0, 1)) -> Iterator[Picture]:
    """Yield pictures of `sources`, at most `frames` (0: all), an equal share from each video and from all images.

    Of each they are spread evenly over the stretch `part` of it, or every n-th where `every` is given.
    """
    kinds = len(sources.videos) + bool(sources.images)
    share = -(-frames // kinds) if frames and kinds else 0
    for i in _chosen(len(sources.images), share, every, part):
        yield picture_from_image(sources.images[i])
    for video in sources.videos:
        length = sum(1 for _ in pictures(video))
        wanted = set(_chosen(length, share, every, part))
        last = max(wanted, default=-1)
        for i, picture in enumerate(pictures(video)):
            if i in wanted:
                yield picture
            if i >= last:
                break


def inputs(spec: Input, seen: Iterable[Picture], batches: Iterable[Path] = ()) -> Iterator[Array]:
    """Yield the model's input (1, C, H, W) for each picture, then what batch files hold, as it stands there.

    An array is overwritten by the next.
    """
    fill: Callable[..., object] = PREPROCESS["host"](spec)
    row = np.empty((1, spec.channels, spec.height, spec.width), spec.dtype)
    for picture in seen:
        fill(picture, row[0])
        yield row
    for path in batches:
        for picture in batch_file(path):
            yield picture[None]


def batch_file(path: Path) -> Array:
    """Read a batch file of TensorRT's samples: int32 N, C, H, W, that many float32, then N labels or none.

    Raises:
        DataError: it is no such file.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}", mend="name a file that can be read") from error
    if not _is_batch(data[:HEADER], len(data)):
        raise DataError(
            f"{path}: neither a picture, a video nor a batch file",
            mend=f"name {', '.join(sorted(IMAGES | VIDEOS | LISTS))}, a folder, or a TensorRT sample batch file",
        )
    n, c, h, w = (int(size) for size in np.frombuffer(data, "<i4", 4))
    return np.frombuffer(data, "<f4", n * c * h * w, HEADER).reshape(n, c, h, w)


def _files(path: Path) -> list[Path]:
    """Return the files that a path given by the user stands for."""
    if path.is_dir():
        known = [
            file for file in sorted(path.rglob("*")) if file.suffix.lower() in IMAGES | VIDEOS or _looks_batch(file)
        ]
        if not known:
            raise DataError(f"{path}: holds no picture, video or batch file", mend="name a folder that does")
        return known
    if not path.exists():
        raise DataError(f"{path}: no such file or folder", mend="correct the path")
    if path.suffix.lower() not in LISTS:
        return [path]
    lines = [line.strip() for line in path.read_text("utf-8", "replace").splitlines()]
    listed = [path.parent / line for line in lines if line and not line.startswith("#")]
    missing = next((file for file in listed if not file.exists()), None)
    if missing is not None or not listed:
        raise DataError(f"{path}: lists {missing or 'nothing'}", mend="write one existing file a line")
    return listed


def _looks_batch(path: Path) -> bool:
    if not path.is_file() or path.stat().st_size < HEADER:
        return False
    with path.open("rb") as file:
        return _is_batch(file.read(HEADER), path.stat().st_size)


def _is_batch(head: bytes, size: int) -> bool:
    if len(head) < HEADER:
        return False
    shape = [int(side) for side in np.frombuffer(head, "<i4", 4)]
    values = 4 * shape[0] * shape[1] * shape[2] * shape[3]
    return min(shape) > 0 and size in {HEADER + values, HEADER + values + 4 * shape[0]}


def _chosen(length: int, share: int, every: int, part: tuple[float, float]) -> list[int]:
    first, end = round(part[0] * length), round(part[1] * length)
    if every:
        return list(range(first, end, every))[: share or None]
    count = min(share or length, end - first)
    return [first + int((i + 0.5) * (end - first) / count) for i in range(count)]
