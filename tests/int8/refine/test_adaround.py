from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra `train` is not installed")

from streamd.int8 import bias, qdq  # noqa: E402
from streamd.int8.bias import affordable  # noqa: E402
from streamd.int8.frontier import Frontier  # noqa: E402
from streamd.int8.refine import adaround  # noqa: E402 - it imports torch
from streamd.int8.refine.adaround import Options  # noqa: E402
from streamd.int8.refine.checkpoint import Checkpoint, key  # noqa: E402
from streamd.int8.scales import quantize_weight  # noqa: E402

FEW = Options(steps=60, batch=2, block=4)


def learn(small, options=FEW, checkpoint=None, **more):
    return adaround.learn(small.graph, small.placement, small.scales, small.pictures, options, checkpoint, **more)


@pytest.fixture(scope="module")
def learned(small):
    return learn(small)


def test_no_block_is_worse_than_rounded_to_nearest_and_most_are_better(learned):
    errors = list(learned.errors.values())
    assert max(errors) <= 1
    assert np.median(errors) < 0.97


def test_every_code_is_one_of_the_two_around_its_weight(small, learned):
    assert set(learned.weights) == set(small.placement.layers)
    changed = 0
    for node in small.graph.nodes:
        if node.name not in learned.weights:
            continue
        weight, axis = small.graph.constant(node.input[1]), small.graph.weight_axis(node)
        codes, scale = learned.weights[node.name]
        bias = small.graph.constant(node.input[2])
        nearest, own = quantize_weight(weight, axis, bias, small.scales.activations[node.input[0]])
        assert np.array_equal(scale, own)
        assert np.abs(codes.astype(int) - nearest).max() <= 1
        changed += int((codes != nearest).sum())
    assert changed > 0


def test_the_written_file_has_these_codes(small, learned, run):
    scales = replace(small.scales, weights=learned.weights)
    model = qdq.write(small.graph, small.placement, scales)
    written = {tensor.name: tensor for tensor in model.graph.initializer}
    for name, (codes, _) in learned.weights.items():
        assert written[f"{name}/weight/quantized"].raw_data == codes.tobytes()
    assert all(np.isfinite(value).all() for value in run(model, small.pictures[0]).values())


def test_where_weights_have_seven_bits_they_are_rounded_to_nearest(small, learned):
    scales = replace(small.scales, weights=learned.weights)
    model, other = (
        qdq.write(small.graph, small.placement, one, qdq.CPU_WITHOUT_VNNI) for one in (scales, small.scales)
    )
    assert model == other


def test_interrupted_it_goes_on_where_it_was_and_comes_to_the_same(small, learned, tmp_path):
    class Stop(Exception):
        pass

    own = key(small.graph, small.placement, small.scales, small.pictures, FEW)
    done = []

    def stop():
        done.append(1)
        if len(done) == 2:
            raise Stop

    with pytest.raises(Stop):
        learn(small, checkpoint=Checkpoint(tmp_path, own), advance=stop)
    assert len(list(tmp_path.iterdir())) == 2
    found = learn(small, checkpoint=Checkpoint(tmp_path, own))
    for name, (codes, scale) in learned.weights.items():
        assert np.array_equal(found.weights[name][0], codes)
        assert np.array_equal(found.weights[name][1], scale)
    assert found.errors == learned.errors


def test_the_key_is_that_of_the_data_and_the_settings(small):
    def of(options=FEW, pictures=small.pictures):
        return key(small.graph, small.placement, small.scales, pictures, options)

    assert of() == of(replace(FEW, device="cuda"))
    assert len({of(), of(replace(FEW, steps=61)), of(pictures=small.pictures[:2])}) == 3


def test_a_fully_connected_layer_is_learned_too(classifier_model, plain):
    random = np.random.default_rng(0)
    made = plain(classifier_model, [random.random((1, 1, 8, 8)).astype(np.float32) for _ in range(4)])
    found = learn(made, Options(steps=30, batch=2, block=2))
    assert set(found.weights) == set(made.placement.layers)


def test_where_memory_is_short_the_pictures_are_taken_evenly(small, monkeypatch):
    """The first ones may all be of one camera, or of one class."""
    taken, options = [], Options(steps=1, batch=1)
    monkeypatch.setattr(adaround, "Frontier", lambda *given: taken.append(given[3]) or Frontier(*given))
    numbered = [small.pictures[0] + i for i in range(10)]
    one = next(n for n in (1 << k for k in range(40)) if affordable(small.graph, numbered, n) > 1)
    work = small.graph, small.placement, small.scales, numbered, options
    adaround.learn(*work, budget=2 * one)
    picked = [int(np.round((one - numbered[0]).mean())) for one in taken[0]]
    assert 1 < len(picked) < 10
    assert (picked[0], picked[-1]) == (0, 9)


def test_the_teacher_is_the_float_model_whatever_was_done_to_the_biases(small):
    """Rounding can make up for little of a bias that is far off; where that were what is wanted, for much."""
    spoilt = bias.shifted(small.graph, {"m2": np.full(16, 10, np.float32)})
    work = small.placement, small.scales, small.pictures, Options(steps=60, batch=2)
    right, itself = (adaround.learn(spoilt, *work, teacher=each).errors["m2"] for each in (small.graph, None))
    assert right > 0.97 > itself
