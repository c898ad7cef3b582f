from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra `train` is not installed")

from streamd.errors import ModelError  # noqa: E402
from streamd.int8 import bias, hard, qdq  # noqa: E402
from streamd.int8 import graph as graphs  # noqa: E402
from streamd.int8.half import to_half  # noqa: E402
from streamd.int8.lint import lint  # noqa: E402
from streamd.int8.refine import distill  # noqa: E402 - it imports torch
from streamd.int8.refine.checkpoint import Checkpoint, key  # noqa: E402
from streamd.int8.refine.distill import Options  # noqa: E402

FEW = Options(steps=60, batch=2, rate=1e-3, average=0.9)


def train(small, options=FEW, checkpoint=None, **more):
    return distill.train(small.graph, small.placement, small.scales, small.pictures, options, checkpoint, **more)


def error(small, graph, scales, run):
    pairs = []
    for picture in small.pictures:
        (exact,) = run(small.graph.model, picture).values()
        (got,) = run(qdq.write(graph, small.placement, scales), picture).values()
        pairs.append(np.square(exact - got).mean() / np.square(exact).mean())
    return np.mean(pairs)


@pytest.fixture(scope="module")
def ruined(detector_model, pictures, plain):
    graph = graphs.prepare(detector_model)
    hard.harden(graph, places=4, ratio=256)
    return plain(graph.model, pictures)


@pytest.fixture(scope="module")
def trained(ruined):
    return train(ruined)


def test_training_brings_a_ruined_model_nearer_to_its_float_answers(ruined, trained, run):
    assert error(ruined, *trained, run) < 0.6 * error(ruined, ruined.graph, ruined.scales, run)


def test_what_is_written_has_no_fault_and_its_head_is_untouched(ruined, trained):
    graph, scales = trained
    model = qdq.write(graph, ruined.placement, scales)
    assert lint(to_half(model, graph.name, ruined.placement.head.decode)) == []
    before = {node.name: node for node in ruined.graph.nodes}
    for node in graph.nodes:
        if node.name in ruined.placement.head.last:
            assert list(node.input) == list(before[node.name].input)


def test_the_graph_that_was_given_is_as_it_was(ruined, detector_model):
    graph = graphs.prepare(detector_model)
    hard.harden(graph, places=4, ratio=256)
    train(ruined, replace(FEW, steps=2))
    assert {t.name: t.raw_data for t in ruined.graph.model.graph.initializer} == {
        t.name: t.raw_data for t in graphs.prepare(graph.model).model.graph.initializer
    }


def test_interrupted_it_goes_on_where_it_was_and_comes_to_the_same(ruined, trained, tmp_path):
    class Stop(Exception):
        pass

    own = key(ruined.graph, ruined.placement, ruined.scales, ruined.pictures, FEW)
    losses = []

    def tell(loss):
        losses.append(loss)
        if len(losses) == 55:
            raise Stop

    with pytest.raises(Stop):
        train(ruined, checkpoint=Checkpoint(tmp_path, own), tell=tell)
    steps = []
    _, scales = train(ruined, checkpoint=Checkpoint(tmp_path, own), advance=steps.append)
    assert steps[0] == 50
    assert sum(steps) == 60
    assert scales.activations == pytest.approx(trained[1].activations, rel=2e-3)
    for name, (codes, _) in scales.weights.items():
        assert np.abs(codes.astype(int) - trained[1].weights[name][0]).max() <= 1


def test_frozen_scales_stay_as_they_were(ruined):
    _, scales = train(ruined, replace(FEW, steps=3, learn_scales=False))
    assert scales.activations == ruined.scales.activations


def test_ends_of_blocks_are_what_several_read(small):
    names = distill.block_ends(small.graph, small.placement)
    assert names
    assert all(len(small.placement.readers[name]) > 1 for name in names)


def test_the_loss_may_be_on_ends_of_blocks_and_windows_too(small):
    losses = []
    train(small, replace(FEW, steps=3, blocks=True, window=32), tell=losses.append)
    assert np.isfinite(losses).all()


def test_the_learning_rate_rises_shortly_and_falls_as_a_cosine():
    rates = [distill.schedule(step, 100) for step in range(100)]
    assert rates[:5] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    assert rates[5] == 1
    assert rates[5:] == sorted(rates[5:], reverse=True)
    assert rates[-1] < 1e-3


def test_the_teacher_is_the_float_model_whatever_was_done_to_the_students_biases(small):
    """Biases that only suit rounded weights must not teach."""
    spoilt = bias.shifted(small.graph, {name: np.full(1, 5, np.float32) for name in small.placement.layers[:3]})
    work = small.placement, small.scales, small.pictures, distill.Options(steps=1, batch=1)
    losses = {}
    for name, graph, teacher in (
        ("right", spoilt, small.graph),
        ("itself", spoilt, None),
        ("plain", small.graph, None),
    ):
        distill.train(graph, *work, teacher=teacher, tell=lambda loss, name=name: losses.update({name: loss}))
    assert losses["right"] > 5 * losses["plain"]
    assert losses["right"] != losses["itself"]


def test_an_answer_of_one_number_can_be_learned(net, plain):
    x = net.node("Flatten", net.node("GlobalAveragePool", net.layer("images", 3, 8, 3)))
    x = net.node("Relu", net.node("Gemm", x, net.constant(np.ones((8, 8), np.float32))))
    model = net.model(net.node("Gemm", x, net.constant(np.ones((8, 1), np.float32))))
    made = plain(model, [np.random.default_rng(0).random((1, 3, 64, 64)).astype(np.float32)])
    losses = []
    work = made.graph, made.placement, made.scales, made.pictures, distill.Options(steps=2, batch=1)
    distill.train(*work, tell=losses.append)
    assert np.isfinite(losses).all()


@pytest.mark.parametrize(
    ("value", "spread"), [([1, 3], 1), ([-3], 9), ([2, 2], 4), ([0], distill.FAINT), ([1e3, 1e3 + 1], 0.25)]
)
def test_the_spread_of_what_does_not_vary_is_its_energy(value, spread):
    assert distill.spread(torch.tensor(value, dtype=torch.float32)) == pytest.approx(spread)


def test_training_that_goes_astray_is_told_and_nothing_comes_of_it(small):
    with pytest.raises(ModelError, match=r"training went astray at step \d+: the loss is nan; give a smaller --rate"):
        train(small, Options(steps=60, batch=1, rate=1e6))


def test_where_the_last_step_ended_in_no_numbers_nothing_is_written(small, tmp_path):
    """The loss that a step begins with says nothing of where the step ends."""
    kept, few = Checkpoint(tmp_path, "k"), replace(FEW, steps=1)
    train(small, few, kept)
    state = kept.load(distill.STATE)
    kept.save(distill.STATE, state | {"0/mean": np.full_like(state["0/mean"], np.nan)})
    with pytest.raises(ModelError, match="training went astray at step 1: what is learned are no numbers"):
        train(small, few, kept)
