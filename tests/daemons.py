"""A daemon in this process, of two cameras and two models that tests exchange, and what it published."""

import itertools
import shutil
import threading

import yaml

from streamd import bundled, config
from streamd.clock import SystemClock
from streamd.daemon import Daemon
from streamd.metrics import Metrics

STREET = bundled.folder("assets") / "street.onnx"


class Sink:
    """Keeps what it is told; `watched` cameras make video."""

    def __init__(self):
        self.found = []  # camera, seq, model, how many
        self.events = []
        self.units = []
        self.order = []  # camera, session of all that was published
        self.watched = frozenset()

    def detections(self, frames, found, labels, model):
        for frame, one in zip(frames, found, strict=True):
            self.order.append((frame.camera, frame.session))
            self.found.append((frame.camera, frame.session, frame.seq, len(one)))

    def event(self, notice):
        self.order.append((notice.camera, notice.session))
        self.events.append((notice.camera, notice.kind, notice.reason))

    def video(self, packet):
        self.order.append((packet.camera, packet.session))
        self.units.append((packet.camera, packet.session, packet.seq))

    def wanted(self, camera):
        return camera in self.watched

    def of(self, camera):
        return [entry for entry in list(self.found) if entry[0] == camera]


class Clock(SystemClock):
    """The machine's, of which the time of day may be set back."""

    back_s = 0

    def unix_ns(self):
        return super().unix_ns() - self.back_s * 10**9


class House:
    """A daemon of two cameras, each with a model of its own, and its configuration."""

    def __init__(self, folder, clip):
        self.folder = folder
        self.shows = {name: {"uri": str(clip), "loop": True} for name in ("one", "two")}
        self.models = {name: self.copy(name) for name in ("a", "b")}
        self.cameras = {"one": "a", "two": "b"}
        self.sink, self.clock = Sink(), Clock()
        self.metrics = Metrics(self.clock)
        self.daemon = Daemon(self.settings(), self.sink, self.metrics, self.clock)

    def copy(self, name):
        for suffix in (".onnx", ".json"):
            shutil.copy(STREET.with_suffix(suffix), self.folder / f"{name}{suffix}")
        return {"path": f"{name}.onnx", "threads": 1}

    def settings(self):
        tree = {
            "models": self.models,
            "cameras": {name: {**self.shows[name], "model": model} for name, model in self.cameras.items()},
        }
        path = self.folder / "cams.yaml"
        path.write_text(yaml.safe_dump(tree))
        return config.load(path, {})

    def reload(self):
        return self.daemon.reload(self.settings())

    def until(self, condition, seconds=30):
        tick = threading.Event()
        for _ in range(int(seconds * 100)):
            assert not self.daemon.tick(), self.daemon.pipeline.error
            if condition():
                return
            tick.wait(0.01)
        raise AssertionError("it never came to that")

    def more(self, camera, count=5):
        """Wait until that many more frames of a camera are told of."""
        known = len(self.sink.of(camera))
        self.until(lambda: len(self.sink.of(camera)) >= known + count)

    def close(self):
        self.daemon.stop()
        while not self.daemon.tick():
            self.daemon.pipeline.wait(0.05)
        self.daemon.close()
        assert self.daemon.pipeline.error is None


def whole(entries):
    """Whether no frame of a camera is missing, or comes out of turn."""
    return all(
        seq == last + 1 or (seq == 0 and session != before)
        for (_, before, last, _), (_, session, seq, _) in itertools.pairwise(entries)
    )
