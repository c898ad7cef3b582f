"""Implicit INT8 before TensorRT 11: its calibrators, fed with the project's own pictures.

TensorRT asks a calibrator for a cache first, and for pictures only where there is none; what it finds it hands back to
be kept. It asks from within the build, where it turns an exception into the end of the data: so what fails is kept
here and raised afterwards.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np
import numpy.typing as npt

from streamd import output
from streamd.engine.ask import Calibrator
from streamd.errors import DataError, ModelError, StreamdError
from streamd.gpu.device import Gpu
from streamd.infer.library import Library
from streamd.int8 import cache as caches

Array = npt.NDArray[Any]

# Each with TensorRT's class and the name in its cache. Entropy 2 and min-max calibrate before layers are fused, so a
# cache of theirs serves any GPU; the other two after, so theirs serves the GPU that it was made on.
CLASSES: dict[Calibrator, tuple[str, str]] = {
    "entropy2": ("IInt8EntropyCalibrator2", "EntropyCalibration2"),
    "minmax": ("IInt8MinMaxCalibrator", "MinMaxCalibration"),
    "entropy": ("IInt8EntropyCalibrator", "EntropyCalibration"),
    "legacy": ("IInt8LegacyCalibrator", "LegacyCalibration"),
}
QUANTILE, CUTOFF = 1 - 1e-6, 1.0  # the legacy calibrator's: sampleINT8's defaults, as in streamd/int8/legacy.py


class Upload(Protocol):
    """Memory of a GPU that holds one batch."""

    def __call__(self, batch: Array) -> int:
        """Copy a batch to the device, wait for it, and return its address, valid until the next call."""


class Feed:
    """What a calibrator is given and what it finds: pictures in batches, a cache file, and the first thing to fail."""

    def __init__(
        self,
        kind: Calibrator,
        version: str,
        pictures: Iterable[Array],
        batch: int,
        upload: Upload,
        cache: Path | None = None,
        advance: Callable[[int], None] = lambda _: None,
    ) -> None:
        """`pictures` are inputs of the model, (1, C, H, W), which the next may overwrite; `batch` of them at a time.

        `version` is TensorRT's. `cache` is read where it is there, and written otherwise. `advance` is told of every
        batch how many pictures it had.
        """
        self.batch = batch
        self.failure: BaseException | None = None
        self._algorithm = CLASSES[kind][1]
        self._version = version
        self._pictures: Iterator[Array] = iter(pictures)
        self._upload = upload
        self._cache = cache
        self._advance = advance

    def next(self) -> int | None:
        """Return where the next batch is; None at the end. An incomplete last batch is left out, as TensorRT asks."""
        rows = [row.copy() for row in islice(self._pictures, self.batch)]
        if len(rows) < self.batch:
            return None
        address = self._upload(np.ascontiguousarray(np.concatenate(rows)))
        self._advance(self.batch)
        return address

    def read_cache(self) -> bytes | None:
        """Return the cache, under the version that this TensorRT takes; None where there is none."""
        if self._cache is None or not self._cache.exists():
            return None
        known = caches.read(self._cache)
        if known.algorithm != self._algorithm:
            raise DataError(
                f"{self._cache}: is of {known.algorithm}, asked for is {self._algorithm}",
                mend="name another --cache, or the --calibrator that made it",
            )
        _, _, lines = self._cache.read_bytes().partition(b"\n")
        return caches.header(self._version, self._algorithm).encode() + b"\n" + lines

    def write_cache(self, data: bytes) -> None:
        """Keep what TensorRT found, and read it back: a cache that nobody can read is told now."""
        if self._cache is None:
            return
        try:
            output.write(self._cache, data)
        except OSError as error:
            raise DataError(f"{self._cache}: {error.strerror}", mend="name a file that can be written") from error
        caches.read(self._cache)

    def guarded(self, call: Callable[[], Any]) -> Any:  # noqa: ANN401
        """Return what `call` returns; None, from the first failure on."""
        if self.failure is None:
            try:
                return call()
            except BaseException as error:  # noqa: BLE001 - TensorRT would swallow it; `check` raises it
                self.failure = error
        return None

    def check(self) -> None:
        """Raise what failed while TensorRT was asking."""
        if self.failure is None:
            return
        if isinstance(self.failure, StreamdError) or not isinstance(self.failure, Exception):
            raise self.failure
        raise DataError(f"calibration failed: {self.failure}", mend="check the pictures") from self.failure


def calibrator(library: Library, kind: Calibrator, feed: Feed) -> Any:  # noqa: ANN401 - an IInt8Calibrator
    """Return a calibrator of TensorRT that is fed by `feed`.

    Raises:
        ModelError: this version has no calibrators.
    """
    if not library.calibrates:
        raise ModelError(
            f"{library} has no calibrators", mend="`streamd quantize` calibrates and writes a file for --int8 qdq"
        )

    class Fed(cast(type, getattr(library.api, CLASSES[kind][0]))):  # type: ignore[misc]  # known only now
        def __init__(self) -> None:
            super().__init__()

        def get_batch_size(self) -> int:
            return feed.batch

        def get_batch(self, names: list[str]) -> list[int] | None:
            address = feed.guarded(feed.next)
            return None if address is None else [address] * len(names)

        def read_calibration_cache(self) -> bytes | None:
            return cast(bytes | None, feed.guarded(feed.read_cache))

        def write_calibration_cache(self, cache: Any) -> None:  # noqa: ANN401 - a buffer
            feed.guarded(lambda: feed.write_cache(bytes(cache)))

    if kind != "legacy":
        return Fed()

    class Legacy(Fed):
        def get_quantile(self) -> float:
            return QUANTILE

        def get_regression_cutoff(self) -> float:
            return CUTOFF

        def read_histogram_cache(self, length: int) -> None:
            """There is none: it would be an address of memory, and pictures are at hand."""

        def write_histogram_cache(self, ptr: Any, length: int) -> None:  # noqa: ANN401
            """Is not kept."""

    return Legacy()


class Staged:
    """An `Upload` to one buffer of a GPU, by way of pinned memory. Owns both."""

    def __init__(self, gpu: Gpu, shape: tuple[int, ...], dtype: npt.DTypeLike) -> None:
        """`shape` and `dtype` are those of a batch; raises DeviceError where there is no memory for it."""
        self._gpu = gpu
        self._host = gpu.pinned(shape, dtype)
        self._device = gpu.zeros(shape, dtype)
        self._stream = gpu.stream()

    def __call__(self, batch: Array) -> int:
        """Copy `batch` to the device and return its address."""
        self._host[...] = batch
        self._gpu.upload(self._host, self._device, self._stream)
        self._stream.synchronize()  # TensorRT reads on a stream of its own
        return self._gpu.address(self._device)
