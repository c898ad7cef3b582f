"""Room 1: a frame enters.

    config.Camera --open_camera--> Camera.frames(stop) --> Frame | Notice

reconnect.py  `Camera`, the only retry loop: sessions, sequence numbers, notices, back-off
source.py     what a source is: `run_once(stop)` yields `Shot`s, straight on, and may fail anywhere
live.py       rtsp, rtsps, http, https         file.py    videos and images; `pictures` for the workshop
scenes.py     drawn streets                    address.py where a URI points, and its password
stream.py     one open container: packets in, shots out         picture.py  decoded frame -> Picture | Surface
damage.py     what of it is not shown, and counted instead      gaps.py     H.264: pictures that never came
refused.py    packets that the decoder refused, and what is built on them
h264.py       units, h264_sets.py parameter sets, h264_slices.py how slices begin, bits.py: what that takes
decoder.py    NVDEC while that works, else the CPU              nvdec.py    NVDEC, and what it may decode
timeline.py   rising timestamps                pace.py    real time from timestamps
tempo.py      a frame rate that has changed    vigil.py   sees, while a read waits, that frames have stopped
watch.py      fails a stream that stands still, though bytes arrive
interrupt.py  lets the stop signal end a blocked read

A new source is one file, one line in `SOURCES`, one test.
"""

import random
from collections.abc import Callable
from pathlib import Path

from streamd import config
from streamd.clock import Clock
from streamd.decode.address import Address, address
from streamd.decode.decoder import Hardware
from streamd.decode.file import FileSource, picture_from_image, pictures
from streamd.decode.live import LiveSource
from streamd.decode.reconnect import Camera
from streamd.decode.scenes import ScenesSource
from streamd.decode.source import Source, Stats
from streamd.errors import SourceError
from streamd.gpu.device import Gpu

__all__ = ["SOURCES", "Camera", "Stats", "open_camera", "picture_from_image", "pictures"]

SOURCES: dict[str, Callable[[Address, config.Camera, Clock, Stats, Hardware | None], Source]] = {
    "file": FileSource,
    "http": LiveSource,
    "https": LiveSource,
    "rtsp": LiveSource,
    "rtsps": LiveSource,
    "scenes": ScenesSource,
}


def open_camera(
    name: str,
    camera: config.Camera,
    base: Path,
    clock: Clock,
    rng: random.Random | None = None,
    *,
    gpu: Gpu | None = None,
) -> Camera:
    """Make the camera `name`; nothing is opened before `check` or `frames`.

    `base` is the folder of the configuration file, `rng` draws the back-off's jitter. With a `gpu` frames are surfaces
    on it, but for streams that NVDEC cannot decode and cameras with `decode: software`; those remain pictures.

    Raises:
        SourceError: the URI or the password file cannot be used.
    """
    stats = Stats()
    try:
        place = address(camera, base)
        kind = SOURCES.get(place.scheme)
        if kind is None:
            mend = f"write a file path, bundled:NAME, or a URI of {', '.join(SOURCES)}"
            raise SourceError(f"no source reads {place.scheme}:", mend=mend)
        hardware = Hardware(name, gpu) if gpu is not None and camera.decode == "auto" else None
        source = kind(place, camera, clock, stats, hardware)
    except SourceError as error:
        raise SourceError(f"camera {name}: {error.what}", mend=error.mend) from error
    return Camera(name, camera, source, stats, clock, rng or random.Random())
