"""Work that takes hours, kept as it gets done: one file a finished step, written whole, and only ever used by its like.

Every file carries a key, made of all that the result depends on; a file of another key is as good as none.
"""

import contextlib
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import Field, replace
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np

from streamd import output
from streamd.errors import DataError
from streamd.int8 import arrays
from streamd.int8.graph import Graph
from streamd.int8.placement import Placement
from streamd.int8.scales import Scales
from streamd.int8.session import Array

KEY = "__key__"


class Options(Protocol):
    """How one way of learning is to go about it: a dataclass that has a `device`, whichever that is."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]
    way: ClassVar[str]  # its name; another where it learns otherwise than it did


class Checkpoint:
    """The folder `path`; None keeps nothing."""

    def __init__(self, path: Path | None, key: str) -> None:
        self.path, self._key = path, key

    def load(self, name: str) -> dict[str, Array] | None:
        """Return what was saved under `name` with the same key; None where nothing was, or it is no longer whole."""
        if self.path is None:
            return None
        try:
            values = arrays.read(self._file(name))
        except (OSError, arrays.SpoiltError):
            return None
        return values if str(values.pop(KEY, "")) == self._seal(values) else None

    def save(self, name: str, values: Mapping[str, Array]) -> None:
        """Keep `values` under `name`.

        Raises:
            DataError: they cannot be written.
        """
        if self.path is None:
            return
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            with output.whole(self._file(name)) as part, part.open("wb") as file:
                np.savez(file, **{KEY: np.asarray(self._seal(values))}, **values)  # type: ignore[arg-type]  # a name may be any
        except OSError as error:
            raise DataError(f"{self.path}: {error.strerror}", mend="make room, or name another folder") from error

    def clear(self) -> None:
        """Remove what was kept, and the folder where nothing else is in it."""
        if self.path is None or not self.path.is_dir():
            return
        for file in self.path.glob("*.npz"):
            file.unlink()
        with contextlib.suppress(OSError):  # somebody keeps something else there
            self.path.rmdir()

    def _seal(self, names: Iterable[str]) -> str:
        """Return the key with the names of what is kept: an archive that lost some may open all the same."""
        return hashlib.sha256(repr((self._key, sorted(names))).encode()).hexdigest()

    def _file(self, name: str) -> Path:
        assert self.path is not None
        return self.path / f"{hashlib.sha256(name.encode()).hexdigest()[:16]}.npz"


def key(
    graph: Graph,
    placement: Placement,
    scales: Scales,
    inputs: Iterable[Array],
    options: Options,
    *,
    teacher: Graph | None = None,
) -> str:
    """Return the key of work on `graph` as `scales` quantize it, learned from `inputs`, and from `teacher` if another.

    Other data, options or another way make another key; another device does not.
    """
    digest = hashlib.sha256(graph.model.SerializeToString(deterministic=True))
    if teacher is not None and teacher is not graph:
        digest.update(teacher.model.SerializeToString(deterministic=True))
    settings = [options.way, replace(options, device="")]
    digest.update(repr((placement.layers, sorted(scales.activations.items()), settings)).encode())
    for one in inputs:
        digest.update(np.ascontiguousarray(one).data)
    return digest.hexdigest()
