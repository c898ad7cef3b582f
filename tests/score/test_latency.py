import itertools

from streamd.score.latency import LEAST, MOST, measure
from streamd.slots import SlotRing


class Backend:
    batch = 2

    def __init__(self, name, log):
        self.ring = SlotRing(2)
        self.name = name
        self.log = log
        self.under_way = False

    def run(self, slot, rows):
        self.log.append((self.name, rows))
        self.under_way = True

    def outputs(self, slot, rows):
        self.under_way = False


class Model:
    def __init__(self, name, log):
        self.backend = Backend(name, log)
        self.filled = []

    def fill(self, pictures, slot):
        self.filled += pictures


def ticks(step_ns):
    counter = itertools.count(0, step_ns)
    return lambda: next(counter)


def test_models_take_turns():
    log = []
    measure([Model("a", log), Model("b", log)], ["picture"], ticks(10**9))
    assert log[:4] == [("a", 2), ("b", 2), ("a", 2), ("b", 2)]


def test_a_run_has_ended_when_its_time_is_taken():
    model = Model("a", [])
    seen = []

    def now_ns():
        seen.append(model.backend.under_way)
        return len(seen)

    measure([model], ["picture"], now_ns)
    assert seen and not any(seen)


def test_slow_models_run_the_least_number_of_times():
    log = []
    measure([Model("a", log)], ["picture"], ticks(10**10))
    assert len(log) == LEAST + 3


def test_fast_models_run_no_more_than_the_most():
    log = []
    measure([Model("a", log)], ["picture"], ticks(1))
    assert len(log) == MOST + 3


def test_median_and_95th_percentile_are_milliseconds():
    (result,) = measure([Model("a", [])], ["picture"], ticks(2_000_000))
    assert (result.batch, result.median_ms, result.p95_ms) == (2, 2, 2)


def test_few_pictures_are_repeated():
    model = Model("a", [])
    measure([model], ["picture"], ticks(10**9))
    assert model.filled == ["picture", "picture"]


def test_the_slots_are_given_back():
    model = Model("a", [])
    measure([model], ["picture"], ticks(10**9))
    assert {model.backend.ring.acquire(), model.backend.ring.acquire()} == {0, 1}


def test_no_models():
    assert measure([], []) == []
