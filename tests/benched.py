"""What both benchmarks are tried on: the bundled street, and a sink that counts."""

import json

from streamd import bundled, config

CLIP = bundled.folder("assets") / "street.mp4"


class Counting:
    """A sink that counts detection messages and is asked for no video."""

    def __init__(self):
        self.published = 0

    def detections(self, frame, found, labels, model):
        self.published += 1

    def event(self, notice):
        pass

    def video(self, packet):
        raise AssertionError("nobody asked for video")

    def wanted(self, camera):
        return False


def street(folder, cameras, **models):
    """Settings of `models`, each with its own keys; `cameras` names the model of each camera."""
    camera = {"uri": "bundled:street.mp4", "pace": "asap", "loop": True}
    tree = {
        "models": {name: {"path": "bundled:street.onnx", **keys} for name, keys in models.items()},
        "cameras": {name: camera | {"model": model} for name, model in cameras.items()},
        "publish": {"video": None},
    }
    return config.parse(json.dumps(tree).encode(), folder / "bench.yaml", {})
