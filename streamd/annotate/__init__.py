"""Drawing what was found onto a copy of the picture, in YUV, where the encoder wants it."""

from collections.abc import Sequence

from streamd.annotate.device import DeviceAnnotate
from streamd.annotate.host import HostAnnotate
from streamd.annotate.overlay import Overlay
from streamd.frames import Detections, Picture, Surface
from streamd.gpu.device import Gpu

__all__ = ["Annotate", "DeviceAnnotate", "HostAnnotate", "Overlay"]


class Annotate:
    """Draws the detections of one camera where its pictures are. One thread at a time."""

    def __init__(self, labels: Sequence[str], gpu: Gpu | None = None) -> None:
        """Take the names of the classes, and the GPU that surfaces are on."""
        self._labels = tuple(labels)
        self._gpu = gpu
        self._host = HostAnnotate(labels)
        self._device: DeviceAnnotate | None = None

    def __call__(self, picture: Picture | Surface, detections: Detections) -> Picture | Surface:
        """Return a copy of `picture`, of its kind, with every box and label drawn.

        Raises:
            DeviceError: there is no memory on the GPU for the copy.
        """
        if isinstance(picture, Picture):
            return self._host(picture, detections)
        if self._device is None:
            if self._gpu is None:
                raise ValueError(f"no GPU to draw on {picture}")
            self._device = DeviceAnnotate(self._gpu, self._labels)
        return self._device(picture, detections)

    def close(self) -> None:
        """Let the memory on the GPU go; safe twice."""
        if self._device is not None:
            self._device.close()
