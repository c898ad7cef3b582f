"""The stop signal of many."""

import threading

from streamd.clock import StopGroup


def test_the_group_s_signal_reaches_every_member():
    group = StopGroup()
    members = [group.member() for _ in range(3)]
    group.set()
    assert group.is_set()
    assert all(member.is_set() for member in members)


def test_a_member_that_comes_later_is_stopped_already():
    group = StopGroup()
    group.set()
    assert group.member().wait(0)


def test_a_member_is_stopped_alone():
    group = StopGroup()
    one, other = group.member(), group.member()
    one.set()
    assert not other.is_set()
    assert not group.is_set()


def test_no_member_is_missed_while_the_signal_is_given():
    for _ in range(300):
        group, made = StopGroup(), []
        start = threading.Barrier(2)
        thread = threading.Thread(target=lambda g=group, s=start: (s.wait(), g.set()))
        thread.start()
        start.wait()
        made = [group.member() for _ in range(5)]
        thread.join()
        assert all(member.is_set() for member in made)
