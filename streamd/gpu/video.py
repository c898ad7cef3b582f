"""What FFmpeg says when NVIDIA's video engines will not do, and what mends it. It knows words, not FFmpeg."""

from collections.abc import Sequence

from streamd.checkup import Missing
from streamd.errors import DeviceError

LIBRARIES = (
    "install the driver's video libraries (Debian: libnvcuvid1 and libnvidia-encode1); "
    "start a container with NVIDIA_DRIVER_CAPABILITIES=all"
)
NEWER = "install a newer NVIDIA driver; 570 or newer for API version 13.0"

# Words, and what mends it; the first that fits counts. Nothing mends a GPU that lacks an engine, and the CPU does
# its work: decode/ and encode/ fall back to it.
MISSING = {
    "libcuda.so": "see `driver`",
    "libnvcuvid.so": LIBRARIES,
    "libnvidia-encode.so": LIBRARIES,
    "unsupported device": "",
    "No capable devices": "",
    "No decoder device": "",
    "lacking required capabilities": "",
    "not supported": "",
}
BROKEN = {
    "required nvenc API version": NEWER,
    "minimum required Nvidia driver": NEWER,
    "cuvid API": NEWER,
    "OUT_OF_MEMORY": "free memory of the GPU: `nvidia-smi` shows who holds it",
    "incompatible client key": "this GPU encodes no more streams at once: end another",
}


def reason(lines: Sequence[str], otherwise: str) -> Missing | DeviceError:
    """Return what to raise for a failure, of which FFmpeg logged `lines`; `otherwise` is told if it logged none."""
    for line in lines:
        for words, mend in BROKEN.items():
            if words in line:
                return DeviceError(line, mend=mend)
        for words, mend in MISSING.items():
            if words in line:
                return Missing(line, mend=mend)
    return DeviceError(lines[0] if lines else otherwise)
