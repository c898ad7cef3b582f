"""Calibration caches of TensorRT 10 and older: read, checked and written.

    TRT-8600-EntropyCalibration2
    images: 3c010a14

The first line names the version and the algorithm. Each other line is a tensor and, in hexadecimal, the big-endian
float32 of its scale, amax / 127. TensorRT 11 reads none of this; the Q/DQ writer does, so old calibrations live on.
"""

import math
import re
import statistics
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from streamd import output
from streamd.errors import DataError
from streamd.int8.graph import Graph
from streamd.int8.placement import Placement
from streamd.int8.scales import TOP, Scales, share

ALGORITHMS = ("EntropyCalibration2", "MinMaxCalibration", "EntropyCalibration", "LegacyCalibration")
HEADER = re.compile(r"TRT-(\d{4,6})-(\w+)")
VALUE = re.compile(r"[0-9a-fA-F]{8}")
VERSION = re.compile(r"(\d+)\.(\d+)\.(\d+)(\.\d+)?")
ABSURD = 1e4  # a scale beyond it means values beyond a million
DEAD = 1e-9  # a scale below it means that nothing was there
MANY = 5  # scales from which a median says something
MEND = "calibrate again, or mend the line"


@dataclass(slots=True)
class Cache:
    """What a cache holds: scales by tensor name, as TensorRT names tensors, and the lines that they stand on."""

    version: tuple[int, int, int]
    algorithm: str
    scales: dict[str, float] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)


def read(path: Path) -> Cache:
    """Read a cache of any version and algorithm.

    Raises:
        DataError: the file is no cache, or a scale cannot be one; the line is named.
    """
    try:
        text = path.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not a calibration cache", mend="name the text file that TensorRT wrote") from error
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}", mend="name a calibration cache") from error
    first, *rest = text.splitlines() or [""]
    header = HEADER.fullmatch(first.strip())
    if header is None or header[2] not in ALGORITHMS:
        raise DataError(
            f"{path}:1: {first[:60]!r} is no header of a calibration cache",
            mend=f"it reads TRT-<version>-<algorithm>, the algorithm one of {', '.join(ALGORITHMS)}",
        )
    cache = Cache(_version(int(header[1])), header[2])
    for number, line in enumerate(rest, 2):
        if line.strip():
            name, scale = _entry(line, f"{path}:{number}")
            if name in cache.scales:
                raise DataError(f"{path}:{number}: {name} has a scale already, on line {cache.lines[name]}", mend=MEND)
            cache.lines[name], cache.scales[name] = number, scale
    _refuse_inverted(path, cache)
    _refuse_empty(path, cache)
    return cache


def write(path: Path, scales: Mapping[str, float], version: str, algorithm: str = ALGORITHMS[0]) -> None:
    """Write `scales` as a cache that TensorRT `version` (like 8.6.0) takes for its own.

    Raises:
        DataError: no such version has caches, or the file cannot be written.
    """
    head = header(version, algorithm)
    lines = [head, *(f"{name}: {struct.pack('!f', scale).hex()}" for name, scale in scales.items())]
    try:
        output.write(path, ("\n".join(lines) + "\n").encode())
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}", mend="make room, or name a file that can be written") from error


def header(version: str, algorithm: str = ALGORITHMS[0]) -> str:
    """Return the first line of a cache that TensorRT `version` (like 8.6.0) takes for its own.

    Raises:
        DataError: no such version has caches.
    """
    parts = VERSION.fullmatch(version)
    if parts is None or not 4 <= int(parts[1]) <= 10 or int(parts[2]) > 99 or int(parts[3]) > 99:
        raise DataError(f"TensorRT {version!r} reads no calibration cache", mend="name a version from 4.0.0 to 10.x.x")
    major, minor, patch = (int(parts[i]) for i in (1, 2, 3))
    return f"TRT-{major * (10_000 if major >= 10 else 1000) + minor * 100 + patch}-{algorithm}"


def choose(graph: Graph, placement: Placement, cache: Cache, path: Path) -> Scales:
    """Choose the scales for `placement` from a cache, sharing them where the placement says they are shared.

    What the cache does not know stays in floating point, and is remarked on.

    Raises:
        DataError: the cache knows less than half of the tensors: it is of another model. Or its picture is inverted.
    """
    for name in graph.inputs:
        if cache.scales.get(name, 0) >= TOP / 2:
            raise _inverted(path, cache, name)
    amax = {name: cache.scales[name] * TOP for name in placement.tensors if name in cache.scales}
    if 2 * len(amax) < len(placement.tensors):
        missing = next(name for name in placement.tensors if name not in amax)
        raise DataError(
            f"{path}: knows {len(amax)} of the {len(placement.tensors)} tensors to quantize, not {missing}",
            mend=f"name the cache that was made from {graph.name}",
        )
    scales = share(placement, amax)
    for name in placement.tensors:
        if name not in scales.activations:
            scales.remarks.append(f"{name} is not in {path.name}: left in floating point")
    layers = set(placement.layers)
    for node in graph.nodes:
        if node.name in layers and cache.scales.get(node.output[0], 0) >= DEAD:
            largest = cache.scales[node.output[0]] * TOP
            scales.bounds[node.output[0]] = (-largest, largest)
    return scales


def known(scales: Scales) -> dict[str, float]:
    """Return every scale that a cache of `scales` tells, those of layer outputs included."""
    outputs = {name: max(-low, high, 1e-6) / TOP for name, (low, high) in scales.bounds.items()}
    return outputs | scales.activations


def _entry(line: str, place: str) -> tuple[str, float]:
    name, _, value = line.rpartition(":")  # names may hold colons and spaces
    name, value = name.strip(), value.strip()
    if not name or not VALUE.fullmatch(value):
        raise DataError(f"{place}: {line.strip()[:60]!r} is not a name, a colon and 8 hexadecimal digits", mend=MEND)
    (scale,) = struct.unpack("!f", bytes.fromhex(value))
    if not math.isfinite(scale) or scale < 0 or scale > ABSURD:
        raise DataError(f"{place}: the scale of {name} is {scale:g}, which no tensor can have", mend=MEND)
    return name, float(scale)


def _refuse_inverted(path: Path, cache: Cache) -> None:
    """Refuse 127 / amax in place of amax / 127: then most scales are above 1, or the first, a picture's, is 127."""
    scales = cache.scales
    first = next(iter(scales), None)
    inverted = len(scales) >= MANY and statistics.median(scales.values()) > 1
    if first is not None and (inverted or scales[first] >= TOP / 2):
        raise _inverted(path, cache, next(name for name in scales if scales[name] > 1))


def _inverted(path: Path, cache: Cache, name: str) -> DataError:
    scale = cache.scales[name]
    return DataError(
        f"{path}:{cache.lines.get(name, 1)}: the scale of {name} is {scale:g}, for values up to {scale * TOP:g}",
        mend="the file looks inverted: a scale is amax / 127, not 127 / amax",
    )


def _refuse_empty(path: Path, cache: Cache) -> None:
    """Refuse a cache of dead tensors: one may be zero throughout, not most of them."""
    scales = cache.scales
    dead = [name for name, scale in scales.items() if scale < DEAD]
    if 2 * len(dead) > len(scales):
        first = dead[0]
        raise DataError(
            f"{path}:{cache.lines[first]}: the scale of {first} is {scales[first]:g}, and {len(dead)} of {len(scales)} "
            f"are as small",
            mend="calibrate again, on real pictures",
        )


def _version(number: int) -> tuple[int, int, int]:
    unit = 10_000 if number >= 100_000 else 1000
    return number // unit, number % unit // 100, number % 100
