"""Several channels that one consumer waits on together."""

import sys
import threading
from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamd.errors import Abandoned, Finished
from streamd.flow.bell import Bell
from streamd.flow.channel import Overflow, Select
from tests.flow.threads import in_thread


@pytest.fixture
def fine_turns():
    """Has threads take turns after a few instructions, not after thousands: so they meet wherever they can."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(usual)


def test_select_serves_lanes_in_turn():
    select = Select()
    lanes = [select.lane(4) for _ in range(3)]
    for index, lane in enumerate(lanes):
        for item in range(3):
            lane.put((index, item))
    assert select.take(4) == [(0, 0), (1, 0), (2, 0), (0, 1)]
    assert select.take(2) == [(1, 1), (2, 1)]


def test_select_ends_when_it_is_closed_and_every_lane_has_ended():
    select = Select()
    lane = select.lane(1)
    lane.put("last")
    lane.finish()
    select.close()
    assert select.wait()
    assert select.take(5) == ["last"]
    with pytest.raises(Finished):
        select.wait()


def test_select_that_may_get_more_lanes_does_not_end():
    select = Select()
    select.lane(1).finish()
    assert not select.wait(0.001)


def test_whoever_wants_several_is_woken_when_they_are_there():
    select = Select()
    lanes = [select.lane(2) for _ in range(2)]
    assert not select.wait(0.001, 2)
    lanes[0].put("a")
    assert select.wait(0.001) and not select.wait(0.001, 2)
    thread = in_thread(lambda: select.wait(10, 2))
    lanes[1].put("b")
    thread.join(10)
    assert not thread.is_alive() and select.take(5) == ["a", "b"]


def test_fewer_than_wanted_are_told_when_no_more_will_come():
    select = Select()
    lanes = [select.lane(2) for _ in range(2)]
    lanes[0].put("last")
    thread = in_thread(lambda: select.wait(None, 3))
    for lane in lanes:
        lane.finish()
    select.close()
    thread.join(10)
    assert not thread.is_alive() and select.take(5) == ["last"]


def test_no_more_is_waited_for_than_can_wait():
    select = Select()
    lanes = [select.lane(1), select.lane(2)]
    lanes[0].put("a")
    lanes[0].finish()
    thread = in_thread(lambda: select.wait(60, 9))
    lanes[1].put("b")
    lanes[1].put("c")
    thread.join(10)
    assert not thread.is_alive() and len(select) == 3


class Counted(deque):
    """Items of a channel, while which are counted something happens: each of `meanwhile` once, in turn."""

    def __init__(self, *meanwhile):
        super().__init__()
        self.meanwhile = list(meanwhile)

    def __len__(self):
        seen = super().__len__()
        if self.meanwhile:
            self.meanwhile.pop(0)()
        return seen


class Forestalled(Bell):
    """A bell, just before which is awaited for the first time something happens."""

    def __init__(self, before):
        self._before = [before]
        super().__init__()

    @property
    def awaited(self):
        return self._awaited

    @awaited.setter
    def awaited(self, awaited):
        if awaited and self._before:
            self._before.pop()()
        self._awaited = awaited


def test_who_brings_enough_while_the_consumer_counts_knows_how_much_that_is():
    """A lane ends just before the last look, so that wants 3, not 4: by its count the producers must see that."""
    select, passed, enough = Select(), threading.Event(), []
    ending, lane = select.lane(2), select.lane(2)
    ending.put("a")
    tell = select._arrivals.tell

    def bring():
        lane.put("b")
        lane.put("c")
        passed.set()

    def told():
        passed.set()
        tell()

    def meanwhile():
        select._arrivals.tell = told
        in_thread(bring)
        assert passed.wait(10)

    def ends():
        ending.finish()
        lane._items.meanwhile.append(meanwhile)

    lane._items, select._arrivals._bell = Counted(), Forestalled(ends)
    in_thread(lambda: enough.append(select.wait(None, 4))).join(10)
    assert enough == [True] and select.take(5) == ["a", "b", "c"]


def test_a_producer_goes_on_once_half_its_lane_is_free():
    select = Select()
    lane = select.lane(4)
    for item in range(4):
        lane.put(item)
    going = threading.Event()
    thread = in_thread(lambda: (lane.put(4), going.set()))
    until_waiting(lane)
    assert select.take(1) == [0] and not going.is_set() and len(lane) == 3
    assert select.take(1) == [1]
    thread.join(10)
    assert going.is_set() and select.take(4) == [2, 3, 4]


def test_a_producer_goes_on_where_the_consumer_waits_for_more():
    select = Select()
    lane = select.lane(4)
    for item in range(4):
        lane.put(item)
    thread = in_thread(lambda: lane.put(4))
    until_waiting(lane)
    assert select.take(1) == [0] and len(lane) == 3
    assert select.wait(10, 4)
    thread.join(10)
    assert select.take(4) == [1, 2, 3, 4]


def until_waiting(lane):
    """Return once the producer of a full lane waits for room."""
    tick = threading.Event()
    assert any(lane._room.awaited or tick.wait(0.001) for _ in range(10_000))


def test_what_was_dropped_or_abandoned_does_not_count_as_held():
    select = Select()
    lanes = [select.lane(1, Overflow.DROP_OLDEST), select.lane(2)]
    select.lane(2)
    for lane in (*lanes, *lanes):
        lane.put(0)
    assert len(select) == 3
    lanes[1].abandon()
    assert len(select) == 1 and select.wait(0) and not select.wait(0, 2)


def test_a_lane_added_late_wakes_the_consumer():
    select = Select()
    seen = []
    thread = in_thread(lambda: (select.wait(), seen.extend(select.take(1))))
    select.lane(1).put("late")
    thread.join(10)
    assert seen == ["late"]


def test_abandoning_a_select_abandons_present_and_future_lanes():
    select = Select()
    early = select.lane(1)
    select.abandon()
    for lane in (early, select.lane(1)):
        with pytest.raises(Abandoned):
            lane.put(1)


@given(
    counts=st.lists(st.integers(0, 6), min_size=1, max_size=5),
    limits=st.lists(st.integers(1, 7), min_size=40, max_size=40),
)
def test_select_takes_everything_once_and_keeps_each_lanes_order(counts, limits):
    select = Select()
    for index, count in enumerate(counts):
        lane = select.lane(8)
        for item in range(count):
            lane.put((index, item))
        lane.finish()
    taken = [item for limit in limits for item in select.take(limit)]
    assert sorted(taken) == [(index, item) for index, count in enumerate(counts) for item in range(count)]
    for index, count in enumerate(counts):
        assert [item for lane, item in taken if lane == index] == list(range(count))


def test_the_capacity_of_a_select_is_that_of_its_open_lanes():
    select = Select()
    select.lane(3)
    ended = select.lane(4)
    assert select.capacity() == 7
    ended.finish()
    assert select.capacity() == 3


@pytest.mark.parametrize("overflow", list(Overflow))
def test_whoever_abandons_and_finishes_at_once_leaves_nothing_and_keeps_nobody(overflow, fine_turns):
    for _ in range(200):
        select = Select()
        lane, put = select.lane(1, overflow), []

        def produce(lane=lane, put=put):
            with pytest.raises(Abandoned):
                while True:
                    put.append(lane.put(len(put)))

        def consume(select=select):
            with pytest.raises(Finished):
                while True:
                    assert select.wait(60)
                    select.take(1)

        threads = [in_thread(each) for each in (produce, consume, select.abandon, lane.abandon, select.close)]
        for thread in threads:
            thread.join(10)
        assert not any(thread.is_alive() for thread in threads) and len(lane) == 0


@pytest.mark.parametrize("overflow", list(Overflow))
def test_many_producers_and_a_consumer_that_wants_several_lose_nothing_and_hang_never(overflow, fine_turns):
    """The sides look at each other without a lock: every way they may meet is tried some thousand times."""
    select, count, lost = Select(), 1_000, []
    lanes = [select.lane(1 + index % 3, overflow, on_drop=lost.append) for index in range(6)]

    def produce(index):
        for item in range(count):
            lanes[index].put((index, item))
        lanes[index].finish()

    threads = [in_thread(lambda index=index: produce(index)) for index in range(6)]
    select.close()
    taken = []
    with pytest.raises(Finished):
        while True:
            assert select.wait(60, 1 + len(taken) % 20), "it waited for what nobody brought"
            taken += select.take(4)
    for thread in threads:
        thread.join(10)
    assert len(lost) == sum(lane.dropped for lane in lanes) and (not lost or overflow is Overflow.DROP_OLDEST)
    assert sorted(taken + lost) == [(index, item) for index in range(6) for item in range(count)]
    for index in range(6):
        mine = [item for lane, item in taken if lane == index]
        assert mine == sorted(mine)
