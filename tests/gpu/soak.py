"""Does anything grow? `python tests/gpu/soak.py CLIP [FRAMES] [STREAMS]` runs frames through the daemon on cuda:0.

An hour of one camera at 30 frames a second is 108,000 frames. Prints, ten times on the way, frames a second, memory of
the process and of the GPU, threads and open files. Exit 1 when either memory was more in the second half than it had
been in the first, by more than 1 % and 8 MB. FFmpeg keeps a pool of frames for each stream, as many as were ever held
at once, so the GPU's settles only after a while.
"""

import json
import os
import sys
import tempfile
import threading
from pathlib import Path

from streamd import config, log
from streamd.bench import TICK_S, running
from streamd.clock import StopGroup, SystemClock
from streamd.gpu.device import open_gpu
from streamd.metrics import Metrics
from streamd.publish import open_sinks

GROWTH, SLACK_MB = 1.01, 8


class Counting:
    """A sink that passes everything on and counts detection messages, which it does not keep."""

    def __init__(self, sink, clock):
        self._sink = sink
        self._clock = clock
        self.frames = self.first_ns = self.last_ns = 0

    def __getattr__(self, name):
        return getattr(self._sink, name)

    def detections(self, frames, found, labels, model):
        self._sink.detections(frames, found, labels, model)
        self.last_ns = self._clock.monotonic_ns()
        self.first_ns = self.first_ns or self.last_ns
        self.frames += len(frames)


def main(clip, frames=108_000, streams=16):
    log.setup("warning", "console")
    clock, gpu = SystemClock(), open_gpu("cuda:0")
    camera = {"uri": str(Path(clip).resolve()), "model": "street", "pace": "asap", "loop": True}
    with tempfile.TemporaryDirectory() as folder:
        tree = {
            "models": {"street": {"path": "bundled:street.onnx", "device": "cuda:0", "batch": 16}},
            "cameras": {f"camera-{number}": camera for number in range(streams)},
            "publish": {"detections": {"bind": f"ipc://{folder}/detections"}, "video": None},
        }
        settings = config.parse(json.dumps(tree).encode(), Path(folder) / "soak.yaml", {})
        metrics, seen = Metrics(clock), []
        with open_sinks(settings.publish, clock) as sink:
            tally = Counting(sink, clock)
            with running(settings, tally, metrics, clock) as daemon:
                while tally.frames < frames:
                    assert not daemon.tick(), "the daemon ended"
                    StopGroup().wait(TICK_S)
                    if tally.frames >= (len(seen) + 1) * frames // 10:
                        seen.append(look(gpu, tally))
                        say(" ".join(f"{name} {value}" for name, value in seen[-1].items()))
    faults = [name for name in ("rss_mb", "gpu_mb") if grown([one[name] for one in seen])]
    say("steady" if not faults else f"grown: {', '.join(faults)}")
    return bool(faults)


def look(gpu, tally):
    return {
        "frames": tally.frames,
        "fps": round(tally.frames * 1e9 / (tally.last_ns - tally.first_ns)),
        "rss_mb": round(int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6, 1),
        "gpu_mb": round(gpu.used_bytes() / 1e6, 1),
        "threads": threading.active_count(),
        "files": len(list(Path("/proc/self/fd").iterdir())),
    }


def say(line):
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def grown(megabytes):
    half = len(megabytes) // 2
    before, after = max(megabytes[:half]), max(megabytes[half:])
    return after > max(before * GROWTH, before + SLACK_MB)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], *map(int, sys.argv[2:])))
