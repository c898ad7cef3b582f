"""What is calibrated on: pictures of files, folders, lists and videos, and TensorRT's sample batch files.

Pictures come through the daemon's own decoder and preprocessing, so that what is calibrated is what is served.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from streamd.decode import picture_from_image, pictures
from streamd.errors import DataError
from streamd.frames import Picture
from streamd.int8 import batches as batch_files
from streamd.manifest import Input
from streamd.preprocess.host import HostPreprocess

Array = npt.NDArray[Any]
IMAGES = {".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"}
VIDEOS = {".avi", ".h264", ".m4v", ".mkv", ".mov", ".mp4", ".mpg", ".ts", ".webm"}
LISTS = {".txt", ".list"}
CAMERAS = {".yaml", ".yml"}  # which no file here is read for: see streamd/cli/calibrate.py
KINDS = f"name {', '.join(sorted(IMAGES | VIDEOS | LISTS))}, a folder, or a TensorRT sample batch file"


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

    Raises:
        DataError: a video has no frame.
        SourceError: a picture or video cannot be read.
    """
    for path in shown_images(sources, frames, every, part):
        yield picture_from_image(path)
    share = _share(sources, frames)
    for video in sources.videos:
        length = sum(1 for _ in pictures(video))
        if not length:
            raise DataError(f"{video}: its video holds no frames", mend="name another file")
        wanted = set(_chosen(length, share, every, part))
        last = max(wanted, default=-1)
        for i, picture in enumerate(pictures(video)):
            if i in wanted:
                yield picture
            if i >= last:
                break


def shown_images(sources: Sources, frames: int, every: int = 0, part: tuple[float, float] = (0, 1)) -> list[Path]:
    """Return the images among what `shown` shows."""
    return [sources.images[i] for i in _chosen(len(sources.images), _share(sources, frames), every, part)]


def inputs(spec: Input, seen: Iterable[Picture], batches: Iterable[Path] = ()) -> Iterator[Array]:
    """Yield the model's input (1, C, H, W) for each picture, then what batch files hold, as it stands there.

    An array is overwritten by the next.

    Raises:
        DataError: a batch file does not hold what the model takes, or holds NaN or infinite values.
    """
    fill = HostPreprocess(spec)
    row = np.empty((1, spec.channels, spec.height, spec.width), spec.dtype)
    for picture in seen:
        fill(picture, row[0])
        yield row
    for path in batches:
        rows = batch_files.read(path)
        if rows.shape[1:] != row.shape[1:]:
            has, takes = ("x".join(map(str, shape[1:])) for shape in (rows.shape, row.shape))
            raise DataError(f"{path}: its pictures are {has}, the model takes {takes}", mend="preprocess to that size")
        for picture in rows:
            if not np.isfinite(picture).all():
                raise DataError(f"{path}: holds NaN or infinite values", mend="write the batch file again")
            yield np.asarray(picture[None])


def _files(path: Path) -> list[Path]:
    """Return the files that a path given by the user stands for."""
    try:
        if path.is_dir():
            return _inside(path)
        if not path.exists():
            raise DataError(f"{path}: no such file or folder", mend="correct the path")
        if not path.is_file():  # a pipe would wait for its writer
            raise DataError(f"{path}: is a pipe or a device", mend=KINDS)
        if path.suffix.lower() in CAMERAS:
            raise DataError(
                f"{path}: names cameras, not pictures", mend="run `streamd calibrate` on them and give --calibration"
            )
        if path.suffix.lower() in LISTS:
            return _listed(path)
        if path.suffix.lower() not in IMAGES | VIDEOS and not batch_files.looks_like_one(path):
            raise DataError(f"{path}: neither a picture, a video nor a batch file", mend=KINDS)
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}", mend="name what can be read") from error
    return [path]


def _inside(folder: Path) -> list[Path]:
    """Return the pictures, videos and batch files below a folder; what else is there is passed over."""
    known = [
        file
        for file in sorted(folder.rglob("*"))
        if file.is_file() and (file.suffix.lower() in IMAGES | VIDEOS or batch_files.looks_like_one(file))
    ]
    if not known:
        raise DataError(f"{folder}: holds no picture, video or batch file", mend="name a folder that does")
    return known


def _listed(path: Path) -> list[Path]:
    found = []
    text = path.read_text("utf-8-sig", "surrogateescape")  # a name is bytes to Linux; Windows editors put a mark first
    for number, line in enumerate(text.splitlines(), 1):
        name = line.strip()
        if not name or name.startswith("#"):
            continue
        try:
            there = (path.parent / name).is_file()
        except (OSError, ValueError):  # too long for a name, or no name at all
            there = False
        if not there:
            raise DataError(
                f"{path}:{number}: lists {name[:200]!r}: no such file", mend="write one existing file a line"
            )
        if Path(name).suffix.lower() not in IMAGES | VIDEOS and not batch_files.looks_like_one(path.parent / name):
            raise DataError(f"{path}:{number}: {name} is neither a picture, a video nor a batch file", mend=KINDS)
        found.append(path.parent / name)
    if not found:
        raise DataError(f"{path}: lists nothing", mend="write one existing file a line")
    return found


def _share(sources: Sources, frames: int) -> int:
    """Return the most pictures of each video, and of all images; 0 for all."""
    kinds = len(sources.videos) + bool(sources.images)
    return -(-frames // kinds) if frames and kinds else 0


def _chosen(length: int, share: int, every: int, part: tuple[float, float]) -> list[int]:
    first, end = round(part[0] * length), round(part[1] * length)
    if every:
        return list(range(first, end, every))[: share or None]
    count = min(share or length, end - first)
    return [first + int((i + 0.5) * (end - first) / count) for i in range(count)]
