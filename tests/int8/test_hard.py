import numpy as np
import onnx
import pytest

from streamd.errors import ModelError
from streamd.int8 import graph as graphs
from streamd.int8 import hard, qdq
from streamd.int8.calibrate import calibrate
from streamd.int8.placement import plan
from streamd.int8.scales import choose
from streamd.int8.thresholds import METHODS


def answers(model, pictures, run):
    return np.concatenate([next(iter(run(model, picture).values())) for picture in pictures])


def noise(graph, pictures, run, expected):
    placement = plan(graph)
    scales = choose(graph, placement, calibrate(graph, pictures), METHODS["mse"])
    got = answers(qdq.write(graph, placement, scales), pictures, run)
    return np.square(got - expected).mean() / np.square(expected - expected.mean()).mean()


def test_the_hard_model_answers_the_same_in_float(detector_model, pictures, run):
    graph = graphs.prepare(detector_model)
    expected = answers(graph.model, pictures, run)
    assert len(hard.harden(graph, places=4, ratio=4096)) == 4
    onnx.checker.check_model(graph.model)
    assert np.allclose(answers(graph.model, pictures, run), expected, rtol=1e-4, atol=1e-4)


def test_plain_int8_is_ruined_by_it(detector_model, pictures, run):
    easy, model = graphs.prepare(detector_model), graphs.prepare(detector_model)
    hard.harden(model, places=4, ratio=4096)
    expected = answers(easy.model, pictures, run)
    before, after = (noise(graph, pictures, run, expected) for graph in (easy, model))
    assert after > 20 * before


def test_a_spread_tensor_has_channels_as_far_apart_as_asked(detector_model):
    graph = graphs.prepare(detector_model)
    tensor = hard.candidates(graph)[0]
    hard.spread(graph, tensor, 256.0, np.random.default_rng(0))
    (layer,) = graph.consumers[tensor]
    factors = np.diag(np.asarray(graph.constant(layer.input[1]))[:, :, 0, 0])
    assert factors.max() / factors.min() == 256
    assert (np.log2(factors) == np.round(np.log2(factors))).all()


def test_heads_and_depthwise_layers_are_not_touched(net):
    x = net.layer("images", 3, 16, name="stem")
    x = net.layer(x, 16, 16, 3, group=16, name="depthwise")
    graph = graphs.prepare(net.model(net.conv(net.layer(x, 16, 8, name="mixing"), 8, 4, name="last")))
    assert [graph.consumers[name][0].name for name in hard.candidates(graph)] == ["mixing"]


def test_the_same_seed_gives_the_same_model(detector_model):
    models = []
    for _ in range(2):
        graph = graphs.prepare(detector_model)
        hard.harden(graph, places=3, seed=5)
        models.append(graph.model.SerializeToString(deterministic=True))
    assert models[0] == models[1]


def test_more_places_than_there_are_is_told(detector_model):
    with pytest.raises(ModelError, match="can be spread, not 99"):
        hard.harden(graphs.prepare(detector_model), places=99)


def test_a_single_place_has_the_whole_ratio(detector_model):
    graph = graphs.prepare(detector_model)
    (tensor,) = hard.harden(graph, places=1, ratio=1024)
    (layer,) = graph.consumers[tensor]
    factors = np.diag(np.asarray(graph.constant(layer.input[1]))[:, :, 0, 0])
    assert factors.max() / factors.min() == 1024
