import threading
from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamd.errors import Abandoned, Finished
from streamd.flow.channel import Channel, Overflow
from tests.flow.threads import in_thread


def test_items_come_out_in_the_order_they_went_in():
    channel = Channel(3)
    for item in "abc":
        channel.put(item)
    assert [channel.get() for _ in range(3)] == list("abc")


def test_a_finished_channel_is_emptied_before_it_says_so():
    channel = Channel(2)
    channel.put(1)
    channel.finish()
    assert channel.get() == 1
    with pytest.raises(Finished):
        channel.get()


def test_putting_into_an_abandoned_channel_raises():
    channel = Channel(1)
    channel.abandon()
    with pytest.raises(Abandoned):
        channel.put(1)


def test_abandoning_wakes_a_producer_that_waits_for_room():
    channel, seen = Channel(1), []
    channel.put(0)

    def produce():
        try:
            channel.put(1)
        except Abandoned as error:
            seen.append(error)

    thread = in_thread(produce)
    channel.abandon()
    thread.join(10)
    assert len(seen) == 1


class Met(deque):
    """Items of a channel, while one of which is being put its consumer does something."""

    def __init__(self, meanwhile):
        super().__init__()
        self.meanwhile = meanwhile

    def append(self, item):
        self.meanwhile()
        super().append(item)


def test_what_is_put_just_as_the_consumer_leaves_is_let_go():
    channel = Channel(2)
    channel._items = Met(channel.abandon)
    with pytest.raises(Abandoned):
        channel.put("a picture on a GPU")
    assert len(channel) == 0


def test_finishing_wakes_a_consumer_that_waits_for_an_item():
    channel, seen = Channel(1), []

    def consume():
        try:
            channel.get()
        except Finished as error:
            seen.append(error)

    thread = in_thread(consume)
    channel.finish()
    thread.join(10)
    assert len(seen) == 1


def test_get_gives_up_after_its_timeout():
    with pytest.raises(TimeoutError):
        Channel(1).get(0.001)


def test_put_after_finish_is_a_fault_of_the_producer():
    channel = Channel(1)
    channel.finish()
    with pytest.raises(RuntimeError):
        channel.put(1)


def test_a_channel_without_room_is_refused():
    with pytest.raises(ValueError, match="at least 1"):
        Channel(0)


@given(items=st.lists(st.integers(), max_size=50), capacity=st.integers(1, 8))
def test_drop_oldest_keeps_the_newest_and_counts_and_reports_the_rest(items, capacity):
    lost = []
    channel = Channel(capacity, Overflow.DROP_OLDEST, on_drop=lost.append)
    for item in items:
        channel.put(item)
    kept = [channel.get() for _ in range(len(channel))]
    assert lost + kept == items
    assert len(kept) == min(capacity, len(items))
    assert channel.dropped == len(lost)


def test_a_blocking_channel_loses_nothing_between_threads():
    channel, count = Channel(2), 5000

    def produce():
        for item in range(count):
            channel.put(item)
        channel.finish()

    thread = in_thread(produce)
    taken = []
    while True:
        try:
            taken.append(channel.get())
        except Finished:
            break
    thread.join(10)
    assert taken == list(range(count))


def test_a_producer_goes_on_as_soon_as_there_is_room():
    channel = Channel(4)
    for item in range(4):
        channel.put(item)
    thread = in_thread(lambda: channel.put(4))
    tick = threading.Event()
    assert any(channel._room.awaited or tick.wait(0.001) for _ in range(10_000))
    assert channel.get() == 0
    thread.join(10)
    assert not thread.is_alive() and len(channel) == 4
