"""Pictures of our own in device memory, to be drawn on and lent to whoever reads them.

    canvas = canvases.take(1920, 1080)
    surface = canvas.lend(colour)      # as long as it, or its owner, is referenced the canvas is not taken again

Planes stand one behind the other with one pitch, an odd picture's as if it were a pixel larger: so NVENC wants them,
which is told of the first alone.
"""

import weakref

import numpy as np

from streamd.frames import Colour, Surface
from streamd.gpu.arrays import DeviceArray, Event, Stream
from streamd.gpu.device import Gpu

ALIGNMENT = 128  # bytes, of rows: a whole cache line


class _Loan:
    """What a lent surface holds: the memory, until the last reader has let go."""

    def __init__(self, memory: DeviceArray) -> None:
        self.memory = memory


class Canvas:
    """One NV12 picture; made by `Canvases`."""

    def __init__(self, gpu: Gpu, width: int, height: int) -> None:
        self.width = width
        self.height = height
        self._pitch = -(-width // ALIGNMENT) * ALIGNMENT
        self._rows = height + height % 2
        self._memory = gpu.zeros((self._rows * 3 // 2 * self._pitch,), np.uint8)
        self._address = gpu.address(self._memory)
        self._drawn: Event = gpu.event()
        self._loan: weakref.ref[_Loan] | None = None

    @property
    def free(self) -> bool:
        """Whether nobody holds what was lent last."""
        return self._loan is None or self._loan() is None

    def lend(self, colour: Colour) -> Surface:
        """Return the picture as a surface that is ready once `finish` has been called."""
        loan = _Loan(self._memory)
        self._loan = weakref.ref(loan)
        chroma = self._address + self._rows * self._pitch
        return Surface(
            self._address, self._pitch, self.width, self.height, chroma, self._pitch, 1, colour, loan, self._drawn
        )

    def finish(self, stream: Stream) -> None:
        """Have readers wait for what `stream` has been given so far."""
        self._drawn.record(stream)


class Canvases:
    """The canvases of one camera, all of one size: as many as are lent at once, and one. One thread at a time."""

    def __init__(self, gpu: Gpu) -> None:
        self._gpu = gpu
        self._canvases: list[Canvas] = []

    def take(self, width: int, height: int, stream: Stream) -> Canvas:
        """Return a canvas that nobody reads; `stream`, which draws on them, is waited for when the size changes.

        Raises:
            DeviceError: there is no memory for it.
        """
        if self._canvases and (self._canvases[0].width, self._canvases[0].height) != (width, height):
            self.clear(stream)
        for canvas in self._canvases:
            if canvas.free:
                return canvas
        self._canvases.append(Canvas(self._gpu, width, height))
        return self._canvases[-1]

    def clear(self, stream: Stream) -> None:
        """Let the memory go, once `stream` no longer writes there; what is lent goes with its last reader."""
        stream.synchronize()
        self._canvases.clear()

    def __len__(self) -> int:
        return len(self._canvases)
