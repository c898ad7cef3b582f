"""Which H.264 encoders are there, by opening each. For `streamd doctor`."""

from collections.abc import Iterator

import av

from streamd.checkup import Probe
from streamd.encode import nvenc, x264
from streamd.errors import EncodeError
from streamd.gpu import video


def probes() -> Iterator[Probe]:
    """Yield the looks."""
    yield Probe(x264.NAME, software, "pip install --force-reinstall 'av>=18' (its wheels have it)")
    yield Probe(nvenc.NAME, on_gpu, gpu=True)


def software() -> str:
    """Open libx264; EncodeError where it is not."""
    x264.probe()
    return "opens"


def on_gpu() -> str:
    """Open h264_nvenc.

    Raises:
        Missing: the GPU, its driver or its libraries do not have it.
        DeviceError: it fails.
    """
    av.logging.set_level(av.logging.ERROR)
    with av.logging.Capture(local=False) as logged:
        try:
            nvenc.probe()
        except EncodeError as error:
            raise video.reason([line.strip() for _, _, line in logged], error.what) from error
    return "opens"
