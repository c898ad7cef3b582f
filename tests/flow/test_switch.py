import threading

import pytest

from streamd.errors import Abandoned, Finished
from streamd.flow.channel import Channel
from streamd.flow.switch import Switch


@pytest.fixture
def old():
    return Channel(1)


@pytest.fixture
def new():
    return Channel(8)


def test_items_go_to_the_new_end_from_then_on_and_the_old_one_is_finished(old, new):
    switch = Switch(old)
    switch.put(1)
    switch.to(new)
    switch.put(2)
    assert (old.get(), new.get()) == (1, 2)
    with pytest.raises(Finished):
        old.get()


def test_a_producer_that_waits_is_not_waited_for(old, new):
    switch = Switch(old)
    switch.put(1)
    thread = threading.Thread(target=switch.put, args=(2,))
    thread.start()
    while not switch._lock.locked():
        thread.join(0.001)
    switch.to(new)
    assert (old.get(), old.get()) == (1, 2)
    thread.join(10)
    switch.turn()
    with pytest.raises(Finished):
        old.get()
    switch.put(3)
    assert new.get() == 3


def test_an_end_is_passed_on_to_an_end_that_comes_later(old, new):
    switch = Switch(old)
    switch.finish()
    switch.to(new)
    with pytest.raises(Finished):
        new.get()


def test_one_that_nobody_takes_from_is_told(old):
    old.abandon()
    with pytest.raises(Abandoned):
        Switch(old).put(1)
