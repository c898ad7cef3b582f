"""The sum of `reference`, fast on the CPU: OpenCV resizes the 8-bit planes, then the small picture is converted.

The full-size RGB picture is never built. For a float32 tensor colour, scale, mean and std are one weighted sum a
channel, written where the tensor wants it; for float16 and uint8 the sum makes a pixel, and a table of 256 entries
its value. What differs from the reference is rounding: the resized planes', and for the table also the pixel's.

OpenCV spreads a resize over all cores by default: a tenth less time, taken from the inference threads. A daemon
calls `cv2.setNumThreads(1)` once at its start; that is a setting of the process, so it is not made here.
"""

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from streamd.errors import ModelError
from streamd.frames import F32, LUMA, U8, Colour, Picture
from streamd.letterbox import Letterbox
from streamd.manifest import Input
from streamd.preprocess.colour import F64
from streamd.preprocess.reference import colour_rows, normalization, resize, store, visible

# A crop of a very long picture would be resized to many times what can be seen; past this the visible part is sampled.
MOST_OVERDRAW = 4


class HostPreprocess:
    """Writes pictures into rows of a model's input. Keeps scratch memory, so one thread at a time may call it."""

    def __init__(self, spec: Input) -> None:
        self._spec = spec
        self._shape = (spec.channels, spec.height, spec.width)
        self._direct = spec.dtype == "float32"
        scale, shift = normalization(spec)
        tables = store(np.multiply.outer(scale, np.arange(256)) + shift[:, None], spec)
        self._pad = tables[:, spec.pad]
        self._tables = tables.view(np.uint16) if spec.dtype == "float16" else tables  # OpenCV moves bits, not halves
        ends = tables[:, [0, 255]] if self._direct else np.tile([0.0, 255.0], (spec.channels, 1))
        self._low, self._high = ends.min(axis=1).tolist(), ends.max(axis=1).tolist()
        self._weights = {
            colour: self._fold(colour_rows(spec, colour), scale, shift)
            for colour in (Colour(matrix, full) for matrix in LUMA for full in (False, True))
        }
        self._planes = [_Scratch(np.uint8) for _ in range(3)]
        self._values = _Scratch(np.float32)
        self._pixels = _Scratch(np.uint8)

    def __call__(self, picture: Picture, row: npt.NDArray[Any]) -> Letterbox:
        """Write `picture` into `row` (C, H, W), padding and all; return where it stands in it.

        `row` is contiguous memory: a row of a slot's buffer.

        Raises:
            ModelError: `row` has another shape or type than the manifest says.
        """
        spec = self._spec
        if row.shape != self._shape or row.dtype != spec.dtype:
            raise ModelError(
                f"input {spec.name}: the manifest says {spec.dtype} {self._shape}, "
                f"the model takes {row.dtype} {row.shape}",
                mend="correct the input in the manifest",
            )
        geometry = Letterbox.place(picture.width, picture.height, spec.width, spec.height, spec.fit, spec.anchor)
        rows = visible(geometry.top, geometry.new_height, spec.height)
        columns = visible(geometry.left, geometry.new_width, spec.width)
        used = (picture.y,) if spec.colour == "gray" else (picture.y, picture.u, picture.v)
        planes = [
            self._resize(plane, scratch, geometry, rows, columns)
            for plane, scratch in zip(used, self._planes, strict=False)
        ]
        for channel, weights in enumerate(self._weights[picture.colour]):
            self._write(planes, weights, channel, row[channel, rows, columns])
            _surround(row[channel], rows, columns, self._pad[channel])
        return geometry

    def _fold(self, weights: F64, scale: F64, shift: F64) -> list[list[float]]:
        """Return `weights` (C, 4) such that their sum is the tensor's value, or half above the pixel to be cut off."""
        folded = weights * scale[:, None] if self._direct else weights.copy()
        folded[:, 3] += shift if self._direct else 0.5
        rows: list[list[float]] = folded.tolist()
        return rows

    def _resize(self, plane: U8, scratch: "_Scratch", geometry: Letterbox, rows: slice, columns: slice) -> U8:
        """Return the visible part of `plane` as resized by `geometry`, rounded to 8 bits."""
        size = (geometry.new_width, geometry.new_height)
        if size[0] * size[1] > MOST_OVERDRAW * self._spec.width * self._spec.height:
            return np.rint(resize(plane, geometry, rows, columns)).astype(np.uint8)
        whole = scratch.array(size[1], size[0])
        cv2.resize(plane, size, dst=whole, interpolation=cv2.INTER_LINEAR)
        return whole[_within(rows, geometry.top), _within(columns, geometry.left)]

    def _write(self, planes: list[U8], weights: list[float], channel: int, out: npt.NDArray[Any]) -> None:
        """Write one channel of the picture to its place `out` (H, W) in the tensor."""
        values = out if self._direct else self._values.array(*out.shape)
        _sum(planes, weights, values)
        np.clip(values, self._low[channel], self._high[channel], out=values)
        if self._direct:
            return
        pixels = self._pixels.array(*out.shape)
        np.copyto(pixels, values, casting="unsafe")
        cv2.LUT(pixels, self._tables[channel], dst=out.view(self._tables.dtype))


def _sum(planes: list[U8], weights: list[float], out: F32) -> None:
    """Write Y * w0 + U * w1 + V * w2 + w3. Red has no U and blue no V, which saves them a pass."""
    by_luma, by_u, by_v, constant = weights
    luma = planes[0]
    if len(planes) == 1:
        np.multiply(luma, np.float32(by_luma), out=out)
        np.add(out, np.float32(constant), out=out)
    elif by_u == 0:
        cv2.addWeighted(luma, by_luma, planes[2], by_v, constant, dst=out, dtype=cv2.CV_32F)
    elif by_v == 0:
        cv2.addWeighted(luma, by_luma, planes[1], by_u, constant, dst=out, dtype=cv2.CV_32F)
    else:
        # In units of luma's weight: adding bytes to floats is several times faster than scaling them first.
        by_u, by_v, constant = by_u / by_luma, by_v / by_luma, constant / by_luma
        cv2.addWeighted(planes[1], by_u, planes[2], by_v, constant, dst=out, dtype=cv2.CV_32F)
        cv2.accumulate(luma, out)
        np.multiply(out, np.float32(by_luma), out=out)


class _Scratch:
    """Memory that grows to the largest picture asked for."""

    def __init__(self, dtype: type[np.generic]) -> None:
        self._memory: npt.NDArray[Any] = np.empty(0, dtype)

    def array(self, height: int, width: int) -> npt.NDArray[Any]:
        """Return (height, width), contiguous, holding whatever was there."""
        if self._memory.size < height * width:
            self._memory = np.empty(height * width, self._memory.dtype)
        return self._memory[: height * width].reshape(height, width)


def _within(span: slice, offset: int) -> slice:
    """Return `span` of the input as a span of the resized picture that stands at `offset`."""
    return slice(span.start - offset, span.stop - offset)


def _surround(channel: npt.NDArray[Any], rows: slice, columns: slice, value: np.generic) -> None:
    """Fill what lies outside `rows` x `columns`; every time, since the row last held some other camera's picture."""
    channel[: rows.start] = value
    channel[rows.stop :] = value
    channel[rows, : columns.start] = value
    channel[rows, columns.stop :] = value
