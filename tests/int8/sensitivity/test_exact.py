"""That nothing is lost by running only what comes after a group: on random graphs, node by node, to the last bits."""

import numpy as np
import pytest

from streamd.int8 import bias, qdq, stretch
from streamd.int8 import graph as graphs
from streamd.int8.calibrate import calibrate
from streamd.int8.groups import only, without
from streamd.int8.placement import plan
from streamd.int8.scales import choose
from streamd.int8.sensitivity.feed import Feed
from streamd.int8.sensitivity.study import Study
from streamd.int8.session import Session
from streamd.int8.thresholds import minmax
from streamd.manifest import Input, Manifest
from tests.int8.fuzz import BATCH, SIDE, Fuzz, held

SEEDS = [0, 1, 2, 3, 4, 5, 6, 8]  # 7 has no layer to quantize
NO_HEAD = Manifest("efficient_nms", ("a",), Input("images", SIDE, SIDE))  # whose answers are compared as one


class Distance:
    """Calls good what lies near the float model's outputs."""

    name = "distance"

    def __init__(self, outputs):
        self.outputs = outputs

    def read(self, values, _):
        return np.concatenate([np.ravel(values[name]).astype(np.float64) for name in self.outputs])

    def refer(self, found):
        self.expected = found

    def blind(self, _):
        return ""

    def quality(self, found):
        pairs = zip(found, self.expected, strict=True)
        return -float(np.mean([np.square(one - other).mean() for one, other in pairs]))


class Random:
    """A random graph with its scales and a study of it."""

    def __init__(self, seed):
        fuzz = Fuzz(seed)
        fuzz.grow(int(fuzz.random.integers(3, 10)))
        self.graph = graphs.prepare(fuzz.finished())
        self.pictures = [fuzz.random.random((BATCH, 3, SIDE, SIDE)).astype(np.float32) for _ in range(2)]
        self.placement = plan(self.graph)
        self.scales = choose(self.graph, self.placement, calibrate(self.graph, self.pictures), minmax)
        feed = Feed(self.pictures, [None] * 2)
        self.study = Study(self.graph, NO_HEAD, self.placement, self.scales, feed, Distance(self.graph.outputs))
        self.every = [name for group in self.study.groups for name in group.tensors]


@pytest.fixture(params=SEEDS)
def made(request, monkeypatch):
    # fused kernels add in another order where a model is cut, and what is near a half is then rounded the other way
    monkeypatch.setattr(stretch, "Session", lambda model, name: Session(model, name, fused=False))
    return Random(request.param)


def same(one, other):
    return one.whole == pytest.approx(other.whole, rel=1e-6, abs=1e-9)


def test_what_is_run_again_is_what_the_whole_model_does_in_every_mode(made):
    study, every = made.study, made.every
    full = study.of(every)
    assert set(every) == set(made.placement.tensors)
    for group, measure in study.alone():
        assert same(measure, study.of(group.tensors))
    for group, measure in study.all_but():
        assert same(measure, full.less(study.of([name for name in every if name not in group.tensors])))
    tensors = []
    for group, measure in study.one_by_one():
        tensors += group.tensors
        assert same(measure, study.of(tensors))


def test_to_leave_a_group_out_of_the_placement_is_to_leave_out_its_scales(made):
    for group in made.study.groups:
        left = without(made.placement, [group])
        rest = only(made.scales, set(left.tensors))
        one, other = (qdq.write(made.graph, placement, rest) for placement in (left, made.placement))
        answers = [held(model, made.pictures[0], fused=False) for model in (one, other)]
        assert all(np.array_equal(*pair) for pair in zip(*answers, strict=True))


@pytest.mark.parametrize("kind", bias.KINDS)
def test_biases_are_corrected_alike_whenever_and_every_file_runs(made, kind):
    one, again = (bias.KINDS[kind](made.graph, made.placement, made.scales, made.pictures) for _ in range(2))
    assert one.model == again.model
    for profile in (qdq.TENSORRT, qdq.CPU):
        values = held(qdq.write(one, made.placement, made.scales, profile), made.pictures[0], fused=True)
        assert all(np.isfinite(value).all() for value in values)
