"""A sink that holds each camera to its frames, and what scripts say and end with."""

import sys
from collections import Counter

import av

from streamd.clock import StopGroup, SystemClock

LOST = ("offline", "reconnecting")  # what no file may be


class Ledger:
    """Every frame of a looped file once and in order; `lap` is how many it has. `frames` counts, `faults` tells.

    `floor` is the score that a camera's detections must have from now on. `keep` is given each message, too.
    """

    def __init__(self, lap, keep=None):
        self.frames, self.packets, self.faults, self.floor = Counter(), Counter(), [], {}
        self._lap, self._keep, self._last = lap, keep, {}

    def detections(self, frames, found, labels, model):
        for frame, one in zip(frames, found, strict=True):
            self._enter(frame, one)

    def _enter(self, frame, found):
        name, key = frame.camera, frame.key
        session, seq = self._last.get(name, (0, self._lap - 1))
        whole = key == (session, seq + 1) or (key[0] > session and key[1] == 0 and seq == self._lap - 1)
        if not whole:
            self.faults.append(f"{name}: frame {key} after {(session, seq)}, laps have {self._lap}")
        if len(found) and found.scores.min() < self.floor.get(name, 0):
            self.faults.append(f"{name}: a score of {found.scores.min():.3f}, of the model that was replaced")
        self._last[name] = key
        if self._keep:
            self._keep(frame, found)
        self.frames[name] += 1

    def event(self, notice):
        if notice.kind in LOST or notice.cause:
            self.faults.append(f"{notice.camera}: {notice.kind} {notice.cause} {notice.reason}")

    def video(self, packet):
        self.packets[packet.camera] += 1

    def wanted(self, camera):
        return False


def lap(clip):
    """How many frames a file has, one a packet."""
    with av.open(str(clip)) as container:
        return sum(packet.dts is not None for packet in container.demux(video=0))


class Faulty(Exception):
    """What ends a script: one line."""


def wait(daemon, until, seconds, what):
    """Let the daemon work until something holds.

    Raises:
        Faulty: it did not, in that time, or the daemon ended before.
    """
    clock, pause = SystemClock(), StopGroup()
    end_ns = clock.monotonic_ns() + int(seconds * 1e9)
    while not until():
        if daemon.tick() and not until():
            raise Faulty(f"the daemon ended before {what}: {daemon.pipeline.error}")
        if clock.monotonic_ns() > end_ns:
            raise Faulty(f"{seconds:g} s passed, and not {what}")
        pause.wait(0.02)


def say(name, value):
    sys.stdout.write(f"{name:50} {value}\n")
    sys.stdout.flush()


def end(faults):
    """Say PASS, or FAIL with each fault, and leave with 0 or 1."""
    for fault in faults[:20]:
        say("WRONG", fault)
    say("FAIL" if faults else "PASS", f"{len(faults)} faults" if faults else "")
    sys.exit(bool(faults))
