import threading

import pytest

from streamd.errors import Abandoned
from streamd.slots import SlotRing, SlotState

MOVES = ("fill", "start", "finish", "release")
STATES = (SlotState.FREE, SlotState.FILLING, SlotState.FILLED, SlotState.RUNNING, SlotState.READY)


def ring_in(state):
    """A ring whose slot 0 is in `state`."""
    ring = SlotRing(2)
    if state is not SlotState.FREE:
        ring.acquire()
        for move in MOVES[: STATES.index(state) - 1]:
            getattr(ring, move)(0)
    return ring


def started(target):
    thread = threading.Thread(target=target)
    thread.start()
    return thread


@pytest.mark.parametrize("count", [-1, 0, 1])
def test_fewer_than_two_slots_cannot_overlap(count):
    with pytest.raises(ValueError, match="at least 2 slots"):
        SlotRing(count)


def test_all_slots_begin_free():
    ring = SlotRing(3)
    assert [ring.state(slot) for slot in range(len(ring))] == [SlotState.FREE] * 3


@pytest.mark.parametrize("state", STATES)
def test_a_slot_walks_from_free_to_ready(state):
    assert ring_in(state).state(0) is state


def test_a_released_slot_is_free():
    ring = ring_in(SlotState.READY)
    ring.release(0)
    assert ring.state(0) is SlotState.FREE


LEGAL = {"fill": SlotState.FILLING, "start": SlotState.FILLED, "finish": SlotState.RUNNING, "release": SlotState.READY}


@pytest.mark.parametrize(
    ("move", "state"), [(move, state) for move in MOVES for state in STATES if state != LEGAL[move]]
)
def test_a_move_from_any_other_state_is_refused_and_changes_nothing(move, state):
    ring = ring_in(state)
    with pytest.raises(RuntimeError, match=f"slot 0 is {state.name}, expected {LEGAL[move].name}"):
        getattr(ring, move)(0)
    assert ring.state(0) is state


def test_slots_are_acquired_once_each():
    ring = SlotRing(3)
    assert {ring.acquire() for _ in range(3)} == {0, 1, 2}


def test_acquire_waits_for_a_release():
    ring = ring_in(SlotState.READY)
    ring.acquire()
    taken = []
    waiter = started(lambda: taken.append(ring.acquire()))
    ring.release(0)
    waiter.join(timeout=10)
    assert taken == [0]


def test_close_wakes_every_waiter():
    ring = SlotRing(2)
    ring.acquire(), ring.acquire()
    told = []

    def wait():
        try:
            ring.acquire()
        except Abandoned:
            told.append(True)

    waiters = [started(wait) for _ in range(4)]
    ring.close()
    for waiter in waiters:
        waiter.join(timeout=10)
    assert told == [True] * 4


def test_a_closed_ring_gives_no_slot_even_when_one_is_free():
    ring = SlotRing(2)
    ring.close()
    with pytest.raises(Abandoned):
        ring.acquire()


def test_what_is_under_way_ends_after_close():
    ring = ring_in(SlotState.FILLED)
    ring.close()
    for move in MOVES[1:]:
        getattr(ring, move)(0)
    assert ring.state(0) is SlotState.FREE


def test_close_is_safe_twice():
    ring = SlotRing(2)
    ring.close()
    ring.close()


def test_three_stages_pass_every_slot_in_turn():
    ring = SlotRing(2)
    gate = threading.Barrier(2)
    passed = []

    def consume():
        gate.wait(timeout=10)
        for turn in range(200):
            slot = turn % 2
            while ring.state(slot) is not SlotState.FILLED:
                if not filled.wait(timeout=10):
                    return
                filled.clear()
            ring.start(slot)
            ring.finish(slot)
            ring.release(slot)
            passed.append(slot)

    filled = threading.Event()
    consumer = started(consume)
    gate.wait(timeout=10)
    for _ in range(200):
        ring.fill(ring.acquire())
        filled.set()
    consumer.join(timeout=10)
    assert len(passed) == 200
