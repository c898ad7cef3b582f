"""What encryption costs, and what a subscriber that never reads costs the pipeline. Run by hand:

    python -m tests.publish.measure curve
    python -m tests.publish.measure slow
    python -m tests.publish.measure send

Each takes turns between its cases, so that what else the machine does weighs on all alike; the spread of one case's
rounds is the noise. `slow` does so within one run of the daemon (slow.py): 4 minutes at most, and no GPU.
"""

import select
import subprocess
import sys
import tempfile
import threading
import time
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np
import zmq

from streamd import config
from streamd.clock import SystemClock
from streamd.frames import Detections, Frame, Packet, Picture
from streamd.publish import open_sinks
from tests.publish.slow import slow

ROUNDS = 5
FILL, COUNT = 40_000, 5_000  # what fills a queue of 10,000 and TCP's, and what does not
MESSAGES, UNITS, UNIT_BYTES = 8_000, 1_500, 20_000  # fewer than a reader may be behind, so that none is lost

READER = """
import sys, time
from streamd.client import Subscriber
endpoint, kind, count, server, secret = sys.argv[1:]
keys = {"server_key": server.encode(), "secret_key": secret.encode()} if server else {}
with Subscriber(endpoint, kinds=[kind], **keys) as subscriber:
    subscriber.receive()
    print("first", flush=True)
    begun, used = time.perf_counter(), time.process_time()
    for _ in range(int(count) - 1):
        subscriber.receive()
    print(time.perf_counter() - begun, time.process_time() - used, flush=True)
"""


def curve():
    """Messages a second, by kind, and the CPU time of one, to a reader in a process of its own over TCP."""
    picture = Picture(*(np.zeros(shape, np.uint8) for shape in ((48, 64), (24, 32), (24, 32))))
    found = Detections(np.ones((8, 4), np.float32), np.ones(8, np.float32), np.ones(8, np.int32))
    frame = Frame("front", 1, 0, 0, 0, picture)
    packet = Packet("front", 1, 0, 0, 0, 64, 48, True, 0, bytes(UNIT_BYTES))
    kinds = {
        "det": (MESSAGES, lambda sink: sink.detections([frame], [found], ("person",) * 2, "street")),
        "h264": (UNITS, lambda sink: sink.video(packet)),
    }
    for kind, (count, send) in kinds.items():
        rates, cpu = {False: [], True: []}, {False: [], True: []}
        for _ in range(ROUNDS):
            for encrypted in (False, True):
                seconds, used = one_curve(kind, count, send, encrypted)
                rates[encrypted].append(count / seconds)
                cpu[encrypted].append(used * 1e6 / count)
        tell(kind, "plain", rates[False], "CURVE", rates[True], "a second")
        tell(f"{kind}, CPU of both ends", "plain", cpu[False], "CURVE", cpu[True], "us a message")


def one_curve(kind, count, send, encrypted):
    server, client = zmq.curve_keypair(), zmq.curve_keypair()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "server").write_bytes(server[1])
        (folder / "clients").write_bytes(client[0])
        keys = {"curve_secret_key_file": "server", "curve_client_keys_file": "clients"} if encrypted else {}
        local = {"bind": "tcp://127.0.0.1:*", **keys}
        settings = config.Publish(detections=config.DetectionsSocket(**local), video=config.VideoSocket(**local))
        stop = threading.Event()
        with open_sinks(settings, SystemClock(), folder) as sink:
            keeper = threading.Thread(target=lambda: list(sink.doorkeeper.serve(stop)) if encrypted else None)
            keeper.start()
            socket = "video" if kind == "h264" else "detections"
            arguments = [sink.endpoints[socket], kind, str(count), *((server[0], client[1]) if encrypted else ("", ""))]
            reader = subprocess.Popen([sys.executable, "-c", READER, *arguments], stdout=subprocess.PIPE, text=True)
            while not select.select([reader.stdout], [], [], 0.01)[0]:  # until it has heard one
                send(sink)
            reader.stdout.readline()
            used = time.process_time()
            for _ in range(count - 1):
                send(sink)
            seconds, theirs = map(float, reader.stdout.readline().split())
            used = time.process_time() - used
            reader.wait()
            stop.set()
            keeper.join()
    return seconds, used + theirs


def send():
    """CPU time that publishing a frame's detections takes of the thread that does, by who listens."""
    picture = Picture(*(np.zeros(shape, np.uint8) for shape in ((48, 64), (24, 32), (24, 32))))
    found = Detections(np.ones((8, 4), np.float32), np.ones(8, np.float32), np.ones(8, np.int32))
    frame = Frame("front", 1, 0, 0, 0, picture)
    settings = config.Publish(detections=config.DetectionsSocket(bind="tcp://127.0.0.1:*"), video=None)
    took = {"nobody": [], "one whose queue fills": [], "one whose queue is full": []}
    for _ in range(ROUNDS):
        for case, times in took.items():
            with open_sinks(settings, SystemClock()) as sink, zmq.Context() as context:
                asleep = context.socket(zmq.SUB)
                asleep.setsockopt(zmq.RCVHWM, 1)
                publish = partial(sink.detections, frame, found, ("person",) * 2, "street")
                if case != "nobody":
                    asleep.connect(sink.endpoints["detections"])
                    asleep.subscribe(b"")
                    while not asleep.poll(10):  # until the first has come to it
                        publish()
                for _ in range(FILL if case.endswith("full") else 0):
                    publish()
                begun = time.thread_time()
                for _ in range(COUNT):
                    publish()
                times.append((time.thread_time() - begun) * 1e6 / COUNT)
                asleep.close(linger=0)
    for case in list(took)[1:]:
        tell("publishing", "to nobody", took["nobody"], f"to {case}", took[case], "us a frame")


def tell(what, first, a, second, b, unit):
    ratios = [y / x for x, y in zip(a, b, strict=True)]
    noise = (max(a) - min(a)) / median(a)
    print(  # noqa: T201  this is its answer
        f"{what}: {first} {median(a):.1f}, {second} {median(b):.1f} {unit}; ratio {median(b) / median(a):.3f}, "
        f"median of pairs {median(ratios):.3f}; the rounds of {first} spread by {noise:.1%}",
        flush=True,
    )


if __name__ == "__main__":
    {"curve": curve, "slow": slow, "send": send}[sys.argv[1]]()
