"""What a subscriber that never reads costs the whole daemon, measured within one run of it. See measure.py.

Short windows with it and without it take turns (ABBA, so that a drift weighs on both alike), each window is compared
with its neighbour, and the median of these ratios is told with its 95 % interval (percentile bootstrap: Efron and
Tibshirani 1993, "An Introduction to the Bootstrap", 13.3). The machine's own noise is slower than a window, so it
cancels where the rates of two whole runs would drown in it.

The subscriber has been sent all that anybody keeps for it before the first window: it is as far behind as can be.
"""

import os
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
import zmq

from streamd import bench, bundled, config
from streamd.clock import SystemClock
from streamd.frames import Notice
from streamd.metrics import Metrics
from streamd.publish import open_sinks

PAIRS, WINDOW_S, SETTLE_S = 40, 1.0, 0.15
FILL = 40_000  # messages; ZeroMQ keeps 10,000 of them, TCP the more the shorter they are
ALLOWED = 0.01
TICK_S = 0.02

READER = """
import sys
from streamd.client import Subscriber
with Subscriber(sys.argv[1]) as subscriber:
    while True:
        subscriber.receive()
"""


@dataclass(frozen=True)
class Window:
    """Some seconds of the daemon: frames a second, and the CPU time of one in ms, all threads together."""

    fps: float
    cpu_ms: float


class Run:
    """A daemon at work, of which windows are taken."""

    def __init__(self, daemon, tally, sink):
        self.daemon = daemon
        self.tally = tally
        self.sink = sink
        self._pause = threading.Event()

    def work(self, seconds, until=lambda: False):
        """Let it work for so long, or until something holds."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and not until():
            assert not self.daemon.tick(), self.daemon.pipeline.error
            self._pause.wait(TICK_S)  # nobody gives it: the daemon wants its next tick then

    def subscribed(self, count):
        """Wait until there are so many subscriptions.

        One that never reads answers no heartbeat either: the daemon breaks it off every now and then, it comes again.
        """
        seen = []
        self.work(120, lambda: seen.append(self.sink.subscribers("detections")) or seen[-1] == count)
        assert seen[-1] == count, f"{seen[-1]} subscriptions, not {count}"

    def window(self, seconds):
        """Measure from the first to the last frame of a window, of which there are a few whatever the machine does."""
        first, end = len(self.tally.at), time.monotonic() + seconds
        self.work(60, lambda: time.monotonic() >= end and len(self.tally.at) > first + 5)
        (begin_s, begun_s), (end_s, ended_s) = self.tally.at[first], self.tally.at[-1]
        count = len(self.tally.at) - first - 1
        return Window(count / (end_s - begin_s), (ended_s - begun_s) * 1e3 / count)


class Tally(bench.Tally):
    """Notes when each frame had been published, and the CPU time of the process by then."""

    def __init__(self, sink, clock):
        super().__init__(sink, clock)
        self.at = []

    def detections(self, frames, found, labels, model):
        self._sink.detections(frames, found, labels, model)
        self.at += [(time.perf_counter(), time.process_time())] * len(frames)


@contextmanager
def running():
    """The daemon on the bundled clip, as fast as it goes, with one thread for its model and no video."""
    assets, clock = bundled.folder("assets"), SystemClock()
    with tempfile.TemporaryDirectory() as name:
        file = Path(name) / "cams.yaml"
        file.write_text(
            f"models: {{street: {{path: {assets / 'street.onnx'}, threads: 1}}}}\n"
            f"cameras: {{a: {{uri: {assets / 'street.mp4'}, model: street, pace: asap, loop: true}}}}\n"
            "publish: {detections: {bind: 'tcp://127.0.0.1:*'}, video: null}\n"
        )
        settings = config.load(file, {})
        with open_sinks(settings.publish, clock) as sink:
            tally = Tally(sink, clock)
            with bench.running(settings, tally, Metrics(clock), clock) as daemon:
                run = Run(daemon, tally, sink)
                run.work(60, lambda: len(tally.at) > 30)
                yield run


@contextmanager
def reader(run):
    """A subscriber in a process of its own that reads all there is."""
    process = subprocess.Popen([sys.executable, "-c", READER, run.sink.endpoints["detections"]], env=os.environ)
    try:
        run.subscribed(1)
        yield
    finally:
        process.kill()
        process.wait()


@contextmanager
def sleeper(run, others):
    """A subscriber that never reads and has been sent all it can be; yields what has it subscribe, or not."""
    with zmq.Context() as context, context.socket(zmq.SUB) as asleep:
        asleep.set(zmq.RCVHWM, 1)
        asleep.set(zmq.LINGER, 0)
        asleep.connect(run.sink.endpoints["detections"])

        def listen(on):
            (asleep.subscribe if on else asleep.unsubscribe)(b"det/a/")
            run.subscribed(others + on)

        listen(True)
        asleep.subscribe(b"event/a/")
        run.work(1)
        for _ in range(FILL):
            run.sink.event(Notice("a", 1, "config", 0, "x" * 500))
        asleep.unsubscribe(b"event/a/")
        listen(False)
        yield listen


def pairs(run, listen, count=PAIRS):
    """Yield a window without it and its neighbour with it."""
    for number in range(count):
        taken = {}
        for on in (False, True) if number % 2 == 0 else (True, False):
            listen(on)
            run.work(SETTLE_S)
            taken[on] = run.window(WINDOW_S)
        listen(False)
        yield taken[False], taken[True]


def interval(ratios, draws=10_000):
    """The 95 % interval of the median of paired ratios."""
    rng, ratios = np.random.default_rng(0), np.asarray(ratios)
    medians = np.median(ratios[rng.integers(0, len(ratios), (draws, len(ratios)))], axis=1)
    return tuple(float(value) for value in np.percentile(medians, (2.5, 97.5)))


def verdict(what, unit, without, with_it):
    """One line on what changed: `within` where the whole interval is, `undecided` where it reaches further."""
    ratios = [b / a for a, b in zip(without, with_it, strict=True)]
    low, high = interval(ratios)
    inside = abs(low - 1) <= ALLOWED and abs(high - 1) <= ALLOWED
    beyond = low - 1 > ALLOWED or 1 - high > ALLOWED
    said = "within 1 %" if inside else "beyond 1 %" if beyond else "undecided"
    return (
        f"{what}: {median(without):.2f} -> {median(with_it):.2f} {unit}; median of {len(ratios)} paired ratios "
        f"{median(ratios):.4f}, 95 % interval {low:.4f} to {high:.4f}: {said}"
    )


def compare(run, others, name, count=PAIRS):
    """Measure, and return the lines to print."""
    with sleeper(run, others) as listen:
        without, with_it = zip(*pairs(run, listen, count), strict=True)
    return [
        verdict(f"{name}, {what}", unit, [getattr(one, key) for one in without], [getattr(one, key) for one in with_it])
        for what, unit, key in (("frames", "a second", "fps"), ("CPU", "ms a frame", "cpu_ms"))
    ]


def slow(count=PAIRS):
    """Print what one that never reads costs where nobody else reads, and beside one who does."""
    with running() as run:
        lines = compare(run, 0, "nobody -> one that never reads", count)
        with reader(run):
            lines += compare(run, 1, "a reader -> and one that never reads", count)
    print(*lines, sep="\n", flush=True)  # noqa: T201  this is its answer
