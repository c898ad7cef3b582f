"""Every way a pipeline can end, repeated hundreds of times: all threads joined, the first error kept, nothing lost."""

import itertools
import threading

import pytest

from streamd.flow.channel import Channel, Overflow
from streamd.flow.pipeline import Pipeline
from streamd.flow.stage import Feed, Joined, Stage, Work

REPEATS = 300


class Pass(Work):
    """Hands items on; may raise at one item, in `open`, in `flush` or in `close`."""

    def __init__(self, *, fail_at=None, fail_in=""):
        self.fail_at, self.fail_in, self.seen, self.closed = fail_at, fail_in, [], 0

    def open(self):
        self._maybe("open")

    def __call__(self, item):
        if item == self.fail_at:
            raise ValueError(f"failed at {item}")
        self.seen.append(item)
        yield item

    def flush(self):
        self._maybe("flush")
        yield "flushed"

    def close(self):
        self.closed += 1
        self._maybe("close")

    def _maybe(self, where):
        if self.fail_in == where:
            raise ValueError(f"failed in {where}")


class Sink(Pass):
    """The last of the line: yields nothing."""

    def __call__(self, item):
        list(super().__call__(item))
        return ()

    def flush(self):
        return ()


def line(items, works, stop, capacity=2, overflow=Overflow.BLOCK, *, joined=False):
    """A pipeline of one stage a work, or one for the first two, from `items` to the last work, which is a sink."""
    stages, inbox = [], Feed(items)
    works = [Joined(*works[:2]), *works[2:]] if joined else works
    for index, work in enumerate(works):
        last = index == len(works) - 1
        outbox = None if last else Channel(capacity, overflow)
        stages.append(Stage(f"stage-{index}", work, inbox, outbox))
        inbox = outbox
    return Pipeline(stages, stop)


def until(stop):
    for item in itertools.count():
        if stop.is_set():
            return
        yield item


@pytest.fixture(autouse=True)
def no_thread_left():
    before = threading.active_count()
    yield
    assert threading.active_count() == before


@pytest.mark.parametrize("joined", [False, True])
def test_a_source_that_ends_drains_the_line_and_flushes_each_stage(joined):
    for _ in range(REPEATS):
        first, second, sink = Pass(), Pass(), Sink()
        pipeline = line(range(10), [first, second, sink], threading.Event(), joined=joined)
        pipeline.start()
        assert pipeline.wait(10)
        assert pipeline.error is None
        assert sink.seen == [*range(10), "flushed", "flushed"]
        assert [first.closed, second.closed, sink.closed] == [1, 1, 1]


def test_a_stop_signal_ends_an_endless_source_and_loses_nothing_already_sent():
    for _ in range(REPEATS):
        stop = threading.Event()
        first, sink = Pass(), Sink()
        pipeline = line(until(stop), [first, Pass(), sink], stop)
        pipeline.start()
        pipeline.stop()
        assert pipeline.wait(10)
        assert pipeline.error is None
        assert sink.seen[: len(first.seen)] == first.seen


@pytest.mark.parametrize("joined", [False, True])
@pytest.mark.parametrize("failing", [0, 1, 2, 3])
def test_a_stage_that_raises_unwinds_both_its_sides(failing, joined):
    for _ in range(REPEATS):
        stop = threading.Event()
        works = [Pass(), Pass(), Pass(), Sink()]
        works[failing].fail_at = 7
        pipeline = line(until(stop), works, stop, joined=joined)
        pipeline.start()
        assert pipeline.wait(10)
        assert str(pipeline.error) == "failed at 7"
        assert stop.is_set()
        assert [work.closed for work in works] == [1, 1, 1, 1]


@pytest.mark.parametrize("joined", [False, True])
@pytest.mark.parametrize("where", ["open", "flush", "close"])
@pytest.mark.parametrize("failing", [0, 1])
def test_an_error_outside_the_items_unwinds_all_the_same(where, failing, joined):
    for _ in range(REPEATS // 3):
        stop = threading.Event()
        works = [Pass(), Pass(), Sink()]
        works[failing].fail_in = where
        pipeline = line(until(stop), works, stop, joined=joined)
        pipeline.start()
        if where != "open":
            pipeline.stop()
        assert pipeline.wait(10)
        assert str(pipeline.error) == f"failed in {where}"
        assert [work.closed for work in works] == [1, 1, 1]


def test_a_source_that_raises_is_an_error_of_its_stage():
    def broken():
        yield 1
        raise OSError("cable")

    sink = Sink()
    pipeline = line(broken(), [Pass(), sink], threading.Event())
    pipeline.start()
    assert pipeline.wait(10)
    assert str(pipeline.error) == "cable"
    assert sink.seen == [1]


def test_the_first_error_wins():
    stop, gate = threading.Event(), threading.Event()

    class Later(Sink):
        def close(self):
            gate.wait(10)
            raise ValueError("second")

    pipeline = line(until(stop), [Pass(fail_at=3), Later()], stop)
    pipeline.start()
    assert stop.wait(10)
    gate.set()
    assert pipeline.wait(10)
    assert str(pipeline.error) == "failed at 3"


def test_abandoning_ends_a_line_whose_consumer_is_stuck():
    stop, stuck = threading.Event(), threading.Event()

    class Stuck(Sink):
        def __call__(self, item):
            stuck.wait(10)
            return ()

    pipeline = line(until(stop), [Pass(), Stuck()], stop)
    pipeline.start()
    pipeline.stop()
    assert not pipeline.wait(0.01)
    assert pipeline.running()[-1] == "stage-1"
    pipeline.abandon()
    stuck.set()
    assert pipeline.wait(10)


def test_stages_can_be_added_while_it_runs():
    stop = threading.Event()
    sink, late = Sink(), Sink()
    pipeline = line(until(stop), [Pass(), sink], stop)
    pipeline.start()
    pipeline.add([Stage("late", late, Feed(range(3)))])
    pipeline.stop()
    assert pipeline.wait(10)
    assert late.seen == [0, 1, 2]


def test_a_last_stage_that_yields_is_told_so():
    pipeline = line(range(1), [Pass()], threading.Event())
    pipeline.start()
    assert pipeline.wait(10)
    assert "last of its line" in str(pipeline.error)
