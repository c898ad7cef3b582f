import pytest

from streamd.decode.vigil import Vigil


@pytest.fixture
def told():
    return []


@pytest.fixture
def vigil(stop, clock, told):
    return Vigil(stop, clock, 2.5, lambda: told.append(clock.now_ns))


def ask(vigil, clock, seconds):
    for _ in range(seconds):
        clock.now_ns += 1_000_000_000
        vigil.is_set()


def test_before_the_first_frame_nothing_has_stalled(vigil, clock, told):
    ask(vigil, clock, 100)
    assert told == []


def test_a_stall_is_told_once_and_the_next_frame_ends_it(vigil, clock, told):
    vigil.seen()
    ask(vigil, clock, 10)
    assert len(told) == 1
    assert vigil.seen() == 10
    assert vigil.seen() == 0
    ask(vigil, clock, 10)
    assert len(told) == 2


def test_it_is_the_stop_signal(vigil, stop):
    assert not vigil.is_set()
    vigil.set()
    assert stop.is_set() and vigil.is_set()
    assert vigil.wait(1)
    assert stop.waited == [1]
