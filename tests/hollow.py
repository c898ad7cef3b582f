"""What Python itself costs a frame: `python -m tests.hollow CLIP [STREAMS] [BATCH] [SECONDS]`; needs no GPU.

The daemon reads CLIP (H.264, long: it is opened anew at its end) as on a GPU, in as many streams, but decoding gives
one picture at once for each packet, and the model finds the same four objects in no time. Everything between is the
daemon's own: what it does in this way is the most that it could do with any GPU. Prints frames a second, and the
processor's microseconds a frame.
"""

import logging
import sys
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import structlog

from streamd import bundled, config, models
from streamd.bench import end_to_end
from streamd.clock import SystemClock
from streamd.decode import nvdec
from streamd.frames import Detections
from streamd.letterbox import Letterbox
from streamd.line import lay
from streamd.publish import open_sinks
from tests.decode.fake_nvdec import DeviceFrame
from tests.gpu.host_gpu import HostGpu

BOXES = np.array([[10, 20, 300, 400], [50, 60, 70, 80], [400, 100, 900, 700], [0, 0, 20, 30]], np.float32)
FOUND = Detections(BOXES, np.array([0.9, 0.8, 0.7, 0.3], np.float32), np.array([0, 1, 2, 1], np.int32))


class Frame:
    """A frame of NVDEC's, of the one picture that there is, with the times of its packet."""

    def __init__(self, packet, picture):
        self.pts, self.opaque = packet.pts, packet.opaque
        self._picture = picture

    def __getattr__(self, name):
        return getattr(self._picture, name)


class Context:
    """A decoder that decodes nothing."""

    def __init__(self, video):
        with av.open(video.container.name) as container:
            self._picture = DeviceFrame(next(container.decode(video=0)))
        self.width, self.height = self._picture.width, self._picture.height

    def decode(self, packet):
        return [] if packet is None else [Frame(packet, self._picture)]


def hollow(name, model, base):
    """The line of a model that takes no time, on a GPU that is none."""
    line = lay(name, model, base)
    spec = line.backend.manifest.input

    def fill(pictures, _slot):
        sizes = ((picture.width, picture.height) for picture in pictures)
        return tuple(Letterbox.place(*size, spec.width, spec.height, spec.fit, spec.anchor) for size in sizes)

    return replace(
        line,
        fill=fill,
        run=lambda _slot, _rows: None,
        read=lambda _slot, places: [FOUND] * len(places),
        gpu=HostGpu(None),
    )


def main(clip, streams="32", batch="32", seconds="4"):
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    nvdec.open_context = lambda video, _gpu: Context(video)
    models.lay = hollow
    camera = {"uri": str(Path(clip).resolve()), "model": "street", "pace": "asap", "loop": True}
    assets = bundled.folder("assets")
    settings = config.Config.model_validate(
        {
            "models": {"street": {"path": str(assets / "street.onnx"), "batch": int(batch)}},
            "cameras": {f"camera-{number}": camera for number in range(int(streams))},
            "publish": {"detections": {"bind": "tcp://127.0.0.1:*"}, "video": None},
        }
    )
    clock = SystemClock()
    with open_sinks(settings.publish, clock) as sinks:
        seen = end_to_end(settings, sinks, clock, float(seconds))
    cpu_us = 1e6 * seen.cpu_s / seen.wall_s / seen.fps
    sys.stdout.write(f"{streams} streams, batch {batch}: {seen.fps:.0f} frames/s, {cpu_us:.0f} us of CPU a frame\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
