"""What an operation asks of an array and of a stream, wherever they are, and how it refuses one that will not do."""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np


class Flags(Protocol):
    """Of an array."""

    @property
    def c_contiguous(self) -> bool:
        """Whether its memory is in row order without gaps."""


class DeviceArray(Protocol):
    """An array of CuPy; of numpy, where kernels run on the host."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Its sides."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of its elements."""

    @property
    def flags(self) -> Flags:
        """How its memory lies."""

    @property
    def nbytes(self) -> int:
        """Bytes of its elements."""

    def __getitem__(self, at: slice, /) -> "DeviceArray":
        """Return a part of it, in the same memory."""


class Event(Protocol):
    """A point in a stream's work, of CuPy."""

    def record(self, stream: "Stream", /) -> None:
        """Stand behind whatever `stream` has been given so far."""

    def synchronize(self) -> None:
        """Wait until the work before it is done; the thread sleeps."""


class Stream(Protocol):
    """A stream of CuPy: while it is entered, CuPy's work goes to it."""

    @property
    def ptr(self) -> int:
        """Its handle, for other libraries."""

    def wait_event(self, event: Event, /) -> None:
        """Have what follows wait for `event`; the thread does not."""

    def synchronize(self) -> None:
        """Wait until all of its work is done."""

    def __enter__(self) -> object:
        """Make it the current one."""

    def __exit__(self, *exception: object) -> None:
        """Make the former one current again."""


Argument = DeviceArray | np.generic  # what a kernel takes: an array, or a scalar of its very type


def check(name: str, array: DeviceArray, dtypes: Sequence[Any], shape: Sequence[int | None]) -> None:
    """Refuse an array that a kernel would read or write wrongly; None is any side.

    Raises:
        ValueError: its type, shape or layout is another; a fault of the caller, never of a user.
    """
    fits = len(array.shape) == len(shape) and all(
        side in (None, got) for side, got in zip(shape, array.shape, strict=True)
    )
    if not fits or array.dtype not in [np.dtype(dtype) for dtype in dtypes] or not array.flags.c_contiguous:
        types = " or ".join(str(np.dtype(dtype)) for dtype in dtypes)
        sides = ", ".join("any" if side is None else str(side) for side in shape)
        gaps = "" if array.flags.c_contiguous else " with gaps"
        raise ValueError(f"{name}: expected {types} ({sides}), contiguous; got {array.dtype} {array.shape}{gaps}")
