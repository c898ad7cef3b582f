"""A calibration on disk: NAME.npz holds the counts of all histograms, NAME.json what they are of.

What is read is not trusted: files are copied, cut and mixed up, and scales made of nonsense look like any others.
"""

import hashlib
from pathlib import Path

import msgspec
import numpy as np

from streamd import output
from streamd.errors import DataError
from streamd.int8 import arrays
from streamd.int8.calibrate import Calibration
from streamd.int8.graph import Graph
from streamd.int8.histogram import FINE, I64, Histogram
from streamd.int8.placement import Placement

VERSION = 1
LARGEST = float(np.finfo(np.float32).max)
MEND = "calibrate again with `streamd calibrate`"


class _Tensor(msgspec.Struct, forbid_unknown_fields=True):
    range: float
    minimum: float
    maximum: float


class _Sidecar(msgspec.Struct, forbid_unknown_fields=True):
    v: int
    model_sha256: str
    data_sha256: str
    frames: int
    tensors: dict[str, _Tensor]  # in the order of the rows of the counts
    channels: dict[str, list[float]] = {}
    counts_sha256: str = ""  # of the table of counts, so that two calibrations are never mixed


def save(calibration: Calibration, path: Path) -> tuple[Path, Path]:
    """Write `path`.npz and `path`.json (a suffix of these is dropped first) and return where they are.

    Raises:
        DataError: they cannot be written.
    """
    counts, sidecar = paths(path)
    tensors = {name: _Tensor(h.range, h.minimum, h.maximum) for name, h in calibration.histograms.items() if h.total}
    channels = {name: [float(value) for value in values] for name, values in calibration.channels.items()}
    rows = np.stack([calibration.histograms[name].counts for name in tensors])
    about = _Sidecar(
        VERSION,
        calibration.model_sha256,
        calibration.data_sha256,
        calibration.frames,
        tensors,
        channels,
        hashlib.sha256(rows.data).hexdigest(),
    )
    try:
        with output.whole(counts) as first, output.whole(sidecar) as second:
            with first.open("wb") as file:
                np.savez_compressed(file, counts=rows)
            second.write_bytes(msgspec.json.format(msgspec.json.encode(about), indent=1) + b"\n")
    except OSError as error:
        raise DataError(f"{counts}: {error.strerror}", mend="make room, or name another folder") from error
    return counts, sidecar


def load(path: Path) -> Calibration:
    """Read what `save` wrote.

    Raises:
        DataError: a file is missing, is no calibration, holds what no pass can have seen, or the two do not belong
            together.
    """
    counts, sidecar = paths(path)
    about, rows = _read(counts, sidecar)
    if about.v != VERSION or rows.shape != (len(about.tensors), FINE) or not _same(about, rows):
        raise DataError(f"{counts}: does not belong to {sidecar}, or is of another version", mend=MEND)
    result = Calibration(about.model_sha256, about.data_sha256, about.frames)
    for row, (name, tensor) in zip(rows, about.tensors.items(), strict=True):
        result.histograms[name] = Histogram(tensor.range, tensor.minimum, tensor.maximum, row)
        if fault := _fault(result.histograms[name]):
            raise DataError(f"{counts}: not a calibration: tensor {name}: {fault}", mend=MEND)
    if not result.frames > 0 or not any(histogram.amax for histogram in result.histograms.values()):
        raise DataError(f"{counts}: a calibration that has seen nothing but zeros", mend="calibrate on real pictures")
    for name, values in about.channels.items():
        if not values or not all(0 <= value <= LARGEST for value in values):
            raise DataError(f"{sidecar}: not a calibration: the channels of {name} are impossible", mend=MEND)
        result.channels[name] = np.asarray(values, np.float32)
    return result


def check_model(calibration: Calibration, graph: Graph, placement: Placement, path: Path) -> None:
    """Check that the calibration read from `path` is of `graph`, and observed what `placement` quantizes.

    Raises:
        DataError: it is of another model, or did not observe a tensor that is asked for now.
    """
    if graph.sha256 and calibration.model_sha256 != graph.sha256:
        raise DataError(
            f"{path}: the calibration of the model {calibration.model_sha256[:12]} (sha256), {graph.name} is "
            f"{graph.sha256[:12]}",
            mend="calibrate this model, or name the model that was calibrated",
        )
    layers = set(placement.layers)
    needed = (*placement.tensors, *(node.output[0] for node in graph.nodes if node.name in layers))
    missing = next((name for name in needed if name not in calibration.histograms), None)
    if missing is not None:
        raise DataError(
            f"{path}: the calibration has no tensor {missing}", mend=f"{MEND}, with --whole where `quantize` has it"
        )


def paths(path: Path) -> tuple[Path, Path]:
    """Return the two files that `path` means: NAME.npz and NAME.json, whether it ends in one of these or not.

    Raises:
        DataError: it names no file.
    """
    if not path.name:
        raise DataError(f"{path}: names no file", mend="name a file, like calibration.npz")
    stem = path.with_suffix("") if path.suffix in {".npz", ".json"} else path
    return stem.with_name(stem.name + ".npz"), stem.with_name(stem.name + ".json")


def _read(counts: Path, sidecar: Path) -> tuple[_Sidecar, I64]:
    try:
        about = msgspec.json.decode(sidecar.read_bytes(), type=_Sidecar)
        rows = arrays.read(counts).get("counts")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DataError(f"{sidecar}: not a calibration: {' '.join(str(error).split())}", mend=MEND) from error
    except arrays.SpoiltError as error:
        raise DataError(f"{counts}: not a calibration: {error}", mend=MEND) from error
    except OSError as error:
        reason = error.strerror or str(error)
        raise DataError(
            f"{error.filename or counts}: {reason}", mend="name what `streamd calibrate --out` wrote"
        ) from error
    if rows is None or rows.dtype.kind not in "iuf":
        raise DataError(f"{counts}: not a calibration: it holds no table of counts", mend=MEND)
    return about, np.ascontiguousarray(rows, np.int64)


def _same(about: _Sidecar, rows: I64) -> bool:
    return not about.counts_sha256 or hashlib.sha256(rows.data).hexdigest() == about.counts_sha256


def _fault(histogram: Histogram) -> str:
    """Return what no stream of finite values can have left behind, or nothing."""
    ends = (histogram.range, histogram.minimum, histogram.maximum)
    if not all(abs(end) <= LARGEST for end in ends) or histogram.range <= 0 or histogram.minimum > histogram.maximum:
        return f"the values {histogram.minimum:g} to {histogram.maximum:g} over a range of {histogram.range:g}"
    if (histogram.counts < 0).any():
        return "a count is negative"
    if not histogram.counts.any():
        return "every count is zero"
    highest = int(np.flatnonzero(histogram.counts)[-1])
    if abs(highest - min(histogram.amax / histogram.range * FINE, FINE)) > 1:
        return f"its largest value is {histogram.amax:g}, its counts end at {histogram.range * highest / FINE:g}"
    return ""
