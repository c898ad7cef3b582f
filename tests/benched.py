"""What daemons are tried on: the bundled street or its first frames, and sinks that count or keep."""

import json
from collections import defaultdict

import av

from streamd import bundled, config

CLIP = bundled.folder("assets") / "street.mp4"


class Counting:
    """A sink that counts detection messages and is asked for no video."""

    def __init__(self):
        self.published = 0

    def detections(self, frames, found, labels, model):
        self.published += len(frames)

    def event(self, notice):
        pass

    def video(self, packet):
        raise AssertionError("nobody asked for video")

    def wanted(self, camera):
        return False


class Keeping(Counting):
    """Keeps what was found, by camera."""

    def __init__(self):
        super().__init__()
        self.found = defaultdict(list)

    def detections(self, frames, found, labels, model):
        super().detections(frames, found, labels, model)
        for frame, one in zip(frames, found, strict=True):
            self.found[frame.camera].append(one)


def cut(folder, frames):
    """Write the first frames of the bundled clip to `clip.mp4` in a folder, and return that."""
    with av.open(str(CLIP)) as whole, av.open(str(folder / "clip.mp4"), "w") as clip:
        stream = clip.add_stream_from_template(whole.streams.video[0])
        for number, packet in enumerate(whole.demux(video=0)):
            if number < frames:
                packet.stream = stream
                clip.mux(packet)
    return folder


def street(folder, cameras, **models):
    """Settings of `models`, each with its own keys; `cameras` names the model of each camera."""
    camera = {"uri": "bundled:street.mp4", "pace": "asap", "loop": True}
    tree = {
        "models": {name: {"path": "bundled:street.onnx", **keys} for name, keys in models.items()},
        "cameras": {name: camera | {"model": model} for name, model in cameras.items()},
        "publish": {"video": None},
    }
    return config.parse(json.dumps(tree).encode(), folder / "bench.yaml", {})
