"""What every DeviceBackend does alike: rows of the host go up to a slot, results come down from one.

How a run is put on the stream is the backend's own affair: `_launch`.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping

from streamd.infer import Array
from streamd.infer.device import DeviceSlots
from streamd.manifest import Manifest


class Bound(ABC):
    """A model bound to the slots of a GPU: a DeviceBackend but for its runs (see streamd/infer/__init__.py)."""

    def __init__(self, described: Manifest, batch: int, slots: DeviceSlots) -> None:
        self.manifest = described
        self.batch = batch
        self.slots = slots
        self.ring = slots.ring

    def input(self, slot: int) -> Array:
        """Return the input rows of `slot` on the host, (batch, C, H, W), to be written in place before `run`."""
        return self.slots.mirror(slot)[: self.batch]

    def run(self, slot: int, rows: int) -> None:
        """Bring the first `rows` rows of `slot` to the GPU and have them run; ModelError when the library fails."""
        self.slots.upload(slot, rows)
        self.enqueue(slot, rows)

    def enqueue(self, slot: int, rows: int) -> None:
        """Have the first `rows` rows of `slot` run, as they are in device memory.

        Raises:
            ModelError: the library that runs the model failed; its own words are in the message.
        """
        if not 1 <= rows <= self.batch:
            raise ValueError(f"{rows} rows in a backend of 1 to {self.batch}")
        self._launch(slot, rows)

    def outputs(self, slot: int, rows: int) -> tuple[Array, ...]:
        """Wait for the run; return the first `rows` rows of each output on the host, valid until the slot is free."""
        held = {**self.slots.download(slot, rows), **self._on_host(slot)}
        return tuple(held[output.name][:rows] for output in self.manifest.outputs)

    @abstractmethod
    def close(self) -> None:
        """Wait for what runs, then let go of the model and the memory; safe twice."""

    @abstractmethod
    def _launch(self, slot: int, rows: int) -> None:
        """Put a run of at least `rows` rows on the stream, behind the filling of `slot`."""

    def _on_host(self, slot: int) -> Mapping[str, Array]:
        """Return the outputs of the last run of `slot` that the library made in host memory, by name."""
        del slot
        return {}
