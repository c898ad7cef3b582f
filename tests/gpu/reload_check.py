"""Models swapped and cameras come and gone while others go on: `python tests/gpu/reload_check.py CLIP [SWAPS] [WHERE]`.

WHERE is `cuda:0`, or `host` to try the script. CLIP is any file that FFmpeg decodes. Four cameras read it again and
again on a model that every reload replaces by the other of two files, which finds only what is certain; a fifth is on
a model that stays. With every reload one more camera comes and the one before it goes. Each frame of each camera is
to come once and in order, and the GPU's memory is to stay as it was after the first ten. Needs the repository's root
on PYTHONPATH. Ends with PASS, or FAIL and exit status 1.
"""

import json
import os
import shutil
import sys
import tempfile
import traceback
from pathlib import Path

from streamd import bundled, config, log
from streamd.bench import running
from streamd.clock import SystemClock
from streamd.errors import StreamdError
from streamd.metrics import Metrics
from tests.gpu.ledger import Faulty, Ledger, end, lap, say, wait
from tests.gpu.on_host import opened

STEADY, WARM_UP = 4, 10
GROWTH_MB = 48  # FFmpeg's pools differ by some frames; one model that stays behind is more, and forty of them
MOST_S = 25  # that one reload may take
BUDGET_S = 60
SURE = 0.6  # the least score of the second model
FRESH = 3  # frames of every camera that are waited for after a reload


class Check:
    """One daemon, and its reloads."""

    def __init__(self, gpu, folder, clip, most_s):
        self.gpu, self.folder, self.clip, self.most_s = gpu, folder, clip, most_s
        self.ledger = Ledger(lap(clip))
        self.memory = []
        asset = bundled.folder("assets") / "street.onnx"
        for name in ("all", "sure", "fixed"):
            for suffix in (".onnx", ".json"):
                shutil.copy(asset.with_suffix(suffix), folder / f"{name}{suffix}")

    def settings(self, swap):
        model = {"device": "cuda:0", "batch": 4}
        swapped = {"path": f"{'sure' if swap % 2 else 'all'}.onnx", "confidence": SURE if swap % 2 else 0.25}
        camera = {"uri": str(self.clip), "pace": "asap", "loop": True}
        cameras = {f"steady-{number}": camera | {"model": "swapped"} for number in range(STEADY)}
        cameras |= {
            "other": camera | {"model": "fixed"},
            f"guest-{swap}": camera | {"model": "fixed" if swap % 3 == 0 else "swapped"},
        }
        tree = {
            "models": {"swapped": model | swapped, "fixed": model | {"path": "fixed.onnx"}},
            "cameras": cameras,
            "publish": {"video": None},
        }
        return config.parse(json.dumps(tree).encode(), self.folder / "reload.yaml", {})

    def run(self, swaps):
        clock = SystemClock()
        with running(self.settings(0), self.ledger, Metrics(clock), clock) as daemon:
            first_ns = clock.monotonic_ns()
            self.settled(daemon, 0)
            for swap in range(1, swaps + 1):
                begin_ns = clock.monotonic_ns()
                if begin_ns - first_ns > BUDGET_S * 1e9:
                    break
                self.swap(daemon, swap)
                self.memory.append(self.gpu.used_bytes() / 1e6)
                if swap % 5 == 0 or swap == 1:
                    seconds = (clock.monotonic_ns() - begin_ns) / 1e9
                    say(f"swap {swap}", f"{seconds:.2f} s, GPU {self.memory[-1]:.1f} MB, process {rss_mb():.1f} MB")
        return self.ledger.faults + self.grown()

    def swap(self, daemon, swap):
        self.ledger.floor.clear()
        later = daemon.reload(self.settings(swap))
        if later:
            raise Faulty(f"swap {swap}: {later} want a restart")
        self.settled(daemon, swap)

    def settled(self, daemon, swap):
        """Wait until models and cameras are those of this swap, and each camera has gone on since."""
        gone = f"guest-{swap - 1}/"

        def swapped():
            left = any(name.startswith(gone) for name in daemon.pipeline.running())
            return not daemon._models.changing and not left

        wait(daemon, swapped, self.most_s, f"swap {swap} was done")
        now = self.settings(swap)
        if swap % 2:
            self.ledger.floor |= {name: SURE for name, camera in now.cameras.items() if camera.model == "swapped"}
        before = self.ledger.frames.copy()

        def gone_on():
            return all(self.ledger.frames[name] >= before[name] + FRESH for name in now.cameras)

        wait(daemon, gone_on, self.most_s, f"every camera went on after swap {swap}")

    def grown(self):
        if len(self.memory) < 2 * WARM_UP:
            return [f"{len(self.memory)} swaps tell nothing of memory, {2 * WARM_UP} do"]
        before, after = max(self.memory[:WARM_UP]), max(self.memory[-WARM_UP:])
        say(f"GPU memory, most of swaps 1-{WARM_UP} / of the last {WARM_UP}", f"{before:.1f} / {after:.1f} MB")
        return [f"GPU memory grew by {after - before:.1f} MB"] if after > before + GROWTH_MB else []


def rss_mb():
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def main(clip, swaps="50", where="cuda:0"):
    log.setup("warning", "console")
    with tempfile.TemporaryDirectory() as name, opened(where, Path(name)) as gpu:
        check = Check(gpu, Path(name), Path(clip).resolve(), MOST_S * (10 if where == "host" else 1))
        try:
            faults = check.run(int(swaps))
        except (Faulty, StreamdError) as error:
            traceback.print_exc()
            faults = [*check.ledger.faults, str(error)]
        say("frames of each camera", dict(sorted(check.ledger.frames.items())[-STEADY - 2 :]))
        say("swaps", f"{len(check.memory)} of {swaps}")
    end(faults)


if __name__ == "__main__":
    main(*sys.argv[1:])
