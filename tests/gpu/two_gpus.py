"""Two models on two GPUs in one daemon: `python tests/gpu/two_gpus.py CLIP [FRAMES] [FIRST] [SECOND]`.

FIRST and SECOND are `cuda:0` and `cuda:1`; with `host` as FIRST only the script is tried. Two cameras read CLIP on
each model, once all on the first GPU, and once a model on each: the detections of the first FRAMES frames are to be
the same, every picture to lie on its camera's GPU, and every array of a model on its model's. Then all four cameras'
films are drawn and encoded on both. Needs the repository's root on PYTHONPATH. Ends with PASS, or FAIL and exit
status 1.
"""

import importlib
import json
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

import numpy as np

from streamd import config, log
from streamd.bench import running
from streamd.clock import SystemClock
from streamd.errors import StreamdError
from streamd.frames import Surface
from streamd.gpu.device import device_index
from streamd.metrics import Metrics
from tests.gpu.ledger import Faulty, Ledger, end, lap, say, wait
from tests.gpu.on_host import opened

CAMERAS = 2  # of each model
MOST_S, DEEPEST = 25, 6
SAME = 0.05  # pixels, and a hundredth of that of scores: the same kernels on the same kind of GPU


class Places:
    """Tells which GPU memory is on; on the host nothing is on any."""

    def __init__(self, real):
        self.real = real
        self._runtime = importlib.import_module("cupy").cuda.runtime if real else None
        self._array = importlib.import_module("cupy").ndarray if real else np.ndarray

    def of(self, address):
        return None if self._runtime is None else self._runtime.pointerGetAttributes(address).device

    def wrong(self, array, index):
        return self._runtime is not None and array.device.id != index

    def arrays(self, thing, path, deep=0, seen=None):
        """Yield every array that an object of streamd holds, with where it was found."""
        seen = set() if seen is None else seen
        if id(thing) in seen or deep > DEEPEST:
            return
        seen.add(id(thing))
        if isinstance(thing, self._array):
            yield path, thing
        elif isinstance(thing, dict):
            for key, value in thing.items():
                yield from self.arrays(value, f"{path}[{key}]", deep + 1, seen)
        elif isinstance(thing, list | tuple):
            for index, value in enumerate(thing):
                yield from self.arrays(value, f"{path}[{index}]", deep + 1, seen)
        elif type(thing).__module__.startswith("streamd"):
            names = {*getattr(thing, "__dict__", ()), *getattr(type(thing), "__slots__", ())}
            for name in sorted(names):
                yield from self.arrays(getattr(thing, name, None), f"{path}.{name}", deep + 1, seen)


class Kept:
    """What was found in the first frames of each camera, and on which GPUs its pictures were."""

    def __init__(self, places, frames):
        self.found, self.on = defaultdict(list), defaultdict(set)
        self._places, self._frames = places, frames

    def __call__(self, frame, found):
        picture = frame.picture
        self.on[frame.camera].add(self._places.of(picture.pixels) if isinstance(picture, Surface) else "host")
        if len(self.found[frame.camera]) < self._frames:
            self.found[frame.camera].append(found)


class Check:
    """The daemon, run with its models on this GPU or that."""

    def __init__(self, folder, clip, frames, places):
        self.folder, self.clip, self.frames, self.places = folder, clip, frames, places
        self.faults = []
        self.most_s = MOST_S if places.real else 10 * MOST_S

    def run(self, left, right, *, film=False):
        """Return what was kept of every camera."""
        devices = {"left": left, "right": right}
        camera = {"uri": str(self.clip), "pace": "asap", "loop": True}
        video = {"codec": "libx264", "preset": "ultrafast", "when": "always"} if film else None
        tree = {
            "models": {
                name: {"path": "bundled:street.onnx", "device": device, "batch": 1} for name, device in devices.items()
            },
            "cameras": {f"{name}-{n}": camera | {"model": name} for name in devices for n in range(CAMERAS)},
            "publish": {"video": video},
        }
        settings = config.parse(json.dumps(tree).encode(), self.folder / "two.yaml", {})
        kept = Kept(self.places, self.frames)
        ledger, clock = Ledger(lap(self.clip), kept), SystemClock()
        with running(settings, ledger, Metrics(clock), clock) as daemon:
            counted = ledger.packets if film else ledger.frames
            wait(
                daemon,
                lambda: all(counted[name] >= self.frames for name in settings.cameras),
                self.most_s,
                f"{self.frames} frames of every camera came",
            )
            self.held(daemon, devices)
        self.faults += ledger.faults
        for name, on in kept.on.items():
            want = {device_index(devices[name.split("-")[0]])} if self.places.real else {None, "host"}
            self.faults += [f"{name}: pictures on {on}, not on {want}"] * (not on <= want)
        say(f"models on {left} and {right}{', filmed' * film}", f"{sum(ledger.frames.values())} frames")
        return kept

    def held(self, daemon, devices):
        """Find the arrays of each model where its device is."""
        for name, device in devices.items():
            line = daemon._models[name].line
            arrays = list(self.places.arrays(line, name))
            wrong = [path for path, one in arrays if self.places.wrong(one, device_index(device))]
            self.faults += [f"{path} is not on {device}" for path in wrong]
            self.faults += [f"{name}: no array was found"] * (not arrays)
            say(f"arrays of {name}", f"{len(arrays)}, {len(wrong)} not on {device}")

    def same(self, one, two):
        """Hold what two runs found to each other."""
        worst = 0.0
        for name, found in one.found.items():
            for seq, (a, b) in enumerate(zip(found, two.found[name], strict=True)):
                if not np.array_equal(a.class_ids, b.class_ids):
                    self.faults.append(f"{name}, frame {seq}: {len(a)} found on one GPU, {len(b)} on two")
                elif len(a):
                    off = max(np.abs(a.boxes - b.boxes).max(), 100 * np.abs(a.scores - b.scores).max())
                    worst = max(worst, float(off))
        say("the most that detections differ", f"{worst:.2g} pixels, or hundredths of a score")
        self.faults += [f"detections differ by {worst:.2g}"] * (worst > SAME)


def main(clip, frames="300", first="cuda:0", second="cuda:1"):
    log.setup("warning", "console")
    with tempfile.TemporaryDirectory() as name, opened(first, Path(name)) as gpu:
        real = first != "host"
        first, second = (first, second) if real else ("cuda:0", "cuda:1")
        check = Check(Path(name), Path(clip).resolve(), int(frames), Places(real))
        try:
            alone = check.run(first, first)
            check.same(alone, check.run(first, second))
            check.run(first, second, film=True)
        except (Faulty, StreamdError) as error:
            check.faults.append(str(error))
        del gpu
    end(check.faults)


if __name__ == "__main__":
    main(*sys.argv[1:])
