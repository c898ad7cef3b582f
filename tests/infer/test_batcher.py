from collections import deque

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamd.errors import Abandoned, Finished
from streamd.frames import Frame, Picture
from streamd.infer.batcher import Batcher

MS = 1_000_000
PICTURE = Picture(np.zeros((2, 2), np.uint8), np.zeros((1, 1), np.uint8), np.zeros((1, 1), np.uint8))


def frame(camera, seq):
    return Frame(camera, 1, seq, 0, 0, PICTURE)


class FakeClock:
    def __init__(self):
        self.now_ns = 0

    def monotonic_ns(self):
        return self.now_ns

    def unix_ns(self):
        return self.now_ns


class FakeInbox:
    """Lanes that fill as the clock passes the arrival times; waiting moves the clock."""

    def __init__(self, clock, arrivals, room):
        self.clock = clock
        self.room = room
        self.coming = deque(sorted(arrivals, key=lambda arrival: arrival[0]))
        self.lanes = {camera: deque() for _, camera, _ in arrivals}
        self.order = deque(self.lanes)
        self.abandoned = 0
        self.waits = []

    def arrive(self):
        while self.coming and self.coming[0][0] <= self.clock.now_ns:
            _, camera, seq = self.coming.popleft()
            self.lanes[camera].append(frame(camera, seq))

    def wait(self, timeout_s=None, at_least=1):
        self.waits.append(timeout_s)
        self.arrive()
        end_ns = None if timeout_s is None else self.clock.now_ns + round(timeout_s * 1e9)
        while self.waiting() < at_least and self.coming:
            until = self.coming[0][0]
            if end_ns is not None and until > end_ns:
                self.clock.now_ns = end_ns
                return False
            self.clock.now_ns = until
            self.arrive()
        if not self.waiting():
            raise Finished
        return True

    def waiting(self):
        return sum(map(len, self.lanes.values()))

    def take(self, limit):
        taken = []
        while len(taken) < limit and any(self.lanes.values()):
            camera = self.order[0]
            self.order.rotate(-1)
            if self.lanes[camera]:
                taken.append(self.lanes[camera].popleft())
        return taken

    def capacity(self):
        return self.room

    def abandon(self):
        self.abandoned += 1


def batcher(arrivals, batch=4, max_wait_ms=5, room=100, wait_for_room=lambda: None):
    clock = FakeClock()
    inbox = FakeInbox(clock, [(at * MS, camera, seq) for at, camera, seq in arrivals], room)
    return Batcher(inbox, batch, max_wait_ms / 1000, clock, wait_for_room), inbox, clock


def cameras(frames):
    return "".join(frame.camera for frame in frames)


def test_frames_that_wait_share_a_run():
    gather, _, _ = batcher([(0, "a", 0), (0, "b", 0)])
    assert cameras(gather.get()) == "ab"


def test_the_first_frame_waits_for_company():
    gather, _, clock = batcher([(0, "a", 0), (4, "b", 0), (9, "c", 0)])
    assert cameras(gather.get()) == "ab"
    assert clock.now_ns == 5 * MS


def test_a_full_batch_waits_no_more():
    gather, inbox, _ = batcher([(0, "a", 0), (0, "b", 0), (9, "c", 0)], batch=2)
    gather.get()
    assert inbox.waits == [None]


def test_a_batch_of_one_never_waits_for_company():
    gather, inbox, _ = batcher([(0, "a", 0), (0, "b", 0)], batch=1)
    assert cameras(gather.get()) + cameras(gather.get()) == "ab"
    assert inbox.waits == [None, None]


def test_no_wait_takes_what_is_there():
    gather, inbox, _ = batcher([(0, "a", 0), (1, "b", 0)], max_wait_ms=0)
    assert cameras(gather.get()) == "a"
    assert inbox.waits == [None]


def test_what_is_in_hand_when_the_lanes_end_is_returned_first():
    gather, _, _ = batcher([(0, "a", 0)])
    assert cameras(gather.get()) == "a"
    with pytest.raises(Finished):
        gather.get()


def test_company_that_cannot_come_is_not_waited_for():
    gather, inbox, _ = batcher([(0, "a", 0), (3, "a", 1)], batch=16, room=1)
    assert cameras(gather.get()) == "a"
    assert inbox.waits == [None]


def test_nothing_is_taken_before_there_is_room():
    seen = []
    gather, inbox, _ = batcher([(0, "a", 0)], wait_for_room=lambda: seen.append(list(inbox.waits)))
    gather.get()
    assert seen == [[]]


def test_a_ring_that_was_closed_takes_nothing():
    def closed():
        raise Abandoned

    gather, inbox, _ = batcher([(0, "a", 0)], wait_for_room=closed)
    with pytest.raises(Abandoned):
        gather.get()
    assert inbox.waits == []


def test_abandon_reaches_the_inbox():
    gather, inbox, _ = batcher([(0, "a", 0)])
    gather.abandon()
    assert inbox.abandoned == 1


arrivals = st.lists(st.tuples(st.integers(0, 60), st.sampled_from("abc")), max_size=40).map(
    lambda pairs: [(at, camera, seq) for seq, (at, camera) in enumerate(sorted(pairs))]
)


def run_all(gather, clock):
    runs = []
    while True:
        began_ns = clock.now_ns
        try:
            frames = gather.get()
        except Finished:
            return runs
        runs.append((began_ns, clock.now_ns, frames))


@given(arrivals, st.integers(1, 5), st.integers(0, 20))
def test_every_frame_is_returned_once_in_runs_of_one_to_batch(coming, batch, max_wait_ms):
    gather, _, clock = batcher(coming, batch, max_wait_ms)
    runs = [frames for _, _, frames in run_all(gather, clock)]
    assert all(1 <= len(frames) <= batch for frames in runs)
    assert sorted(frame.seq for frames in runs for frame in frames) == [seq for _, _, seq in coming]


@given(arrivals, st.integers(1, 5), st.integers(0, 20))
def test_the_frames_of_a_camera_keep_their_order(coming, batch, max_wait_ms):
    gather, _, clock = batcher(coming, batch, max_wait_ms)
    frames = [frame for _, _, frames in run_all(gather, clock) for frame in frames]
    for camera in "abc":
        seqs = [frame.seq for frame in frames if frame.camera == camera]
        assert seqs == sorted(seqs)


@given(arrivals, st.integers(1, 5), st.integers(0, 20))
def test_no_frame_waits_longer_than_max_wait_for_company(coming, batch, max_wait_ms):
    gather, _, clock = batcher(coming, batch, max_wait_ms)
    arrived_ns = {seq: at * MS for at, _, seq in coming}
    for began_ns, ended_ns, frames in run_all(gather, clock):
        first_ns = max(began_ns, min(arrived_ns[frame.seq] for frame in frames))
        assert ended_ns - first_ns <= max_wait_ms * MS


@given(st.integers(2, 5), st.integers(1, 5))
def test_a_busy_camera_starves_no_other(batch, others):
    coming = [(0, "a", seq) for seq in range(50)] + [(0, chr(98 + index), 0) for index in range(others)]
    gather, _, _ = batcher(coming, batch)
    runs = -(-(others + 1) // batch)
    assert len({frame.camera for _ in range(runs) for frame in gather.get()}) == others + 1
