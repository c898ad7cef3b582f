"""Drawing what was found onto a copy of the picture, in YUV, where the encoder wants it."""

from streamd.annotate.host import HostAnnotate
from streamd.annotate.overlay import Overlay

__all__ = ["HostAnnotate", "Overlay"]
