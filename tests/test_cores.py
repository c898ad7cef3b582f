"""Threads that gather on few cores, and leave them again."""

import os
import threading

import pytest

from streamd import cores

ALL = frozenset(os.sched_getaffinity(0))


def in_thread(work):
    """Run `work` in a thread of its own; return what it returns."""
    results = []
    thread = threading.Thread(target=lambda: results.append(work()))
    thread.start()
    thread.join(10)
    return results[0]


def here():
    return frozenset(os.sched_getaffinity(0))


@pytest.mark.parametrize(
    ("given", "want"),
    [({0}, {0}), ({3, 5}, {5}), (set(range(4)), {3}), (set(range(8)), {6, 7}), (set(range(64)), {60, 61, 62, 63})],
)
def test_a_quarter_of_the_cores_is_shared_four_at_most(given, want):
    assert cores.shared(frozenset(given)) == want


def test_a_thread_gathers_alone_and_leaves_again():
    def work():
        cores.gather()
        gathered = here(), in_thread(here)
        cores.scatter()
        return (*gathered, here())

    few = cores.shared(ALL)
    assert in_thread(work) == (few, few, ALL)
    assert here() == ALL


def test_a_thread_that_may_not_choose_goes_on_where_it_is(monkeypatch):
    def refused(thread, mask):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "sched_setaffinity", refused)
    cores.gather()
    monkeypatch.undo()
    assert here() == ALL
