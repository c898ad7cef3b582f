import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra `train` is not installed")

from streamd.int8 import qdq  # noqa: E402
from streamd.int8.refine.network import Network  # noqa: E402 - it imports torch
from streamd.int8.refine.student import Student, coded  # noqa: E402
from streamd.int8.sensitivity.parts import last_tensors  # noqa: E402


@pytest.fixture
def student(small):
    network = Network(small.graph, last_tensors(small.graph), small.placement)
    return Student(network, small.placement, small.scales)


def test_untrained_it_is_written_as_plain_quantization_is(small, student, run):
    graph, scales = student.written(small.graph)
    assert scales.activations == small.scales.activations
    one, other = qdq.write(small.graph, small.placement, small.scales), qdq.write(graph, small.placement, scales)
    (before,), (after,) = (run(model, small.pictures[0]).values() for model in (one, other))
    assert np.array_equal(before, after)


def test_the_head_is_not_trained(small, student):
    assert set(student.weights) == set(small.placement.layers)
    assert not set(student.weights) & small.placement.head.last


def test_tensors_of_one_group_keep_one_scale(small, student):
    with torch.no_grad():
        for one in student.steps:
            one.mul_(1.1)
    _, scales = student.written(small.graph)
    for group in small.placement.groups:
        assert len({scales.activations[name] for name in group}) == 1
    assert scales.activations != small.scales.activations


def test_frozen_scales_are_no_parameters(small):
    network = Network(small.graph, last_tensors(small.graph), small.placement)
    student = Student(network, small.placement, small.scales, learn_scales=False)
    assert student.steps == []
    assert len(student.parameters) == len(student.weights) + len(student.biases)


def test_every_parameter_gets_a_gradient(small, student):
    made = student.run({small.graph.inputs[0]: torch.from_numpy(small.pictures[0])})
    sum(value.square().mean() for value in made.values()).backward()
    assert all(one.grad is not None and torch.isfinite(one.grad).all() for one in student.parameters)


def test_a_bias_that_would_not_fit_makes_its_channels_scale_larger():
    weight, bias = np.ones((2, 1), np.float32), np.array([1.0, 1e6], np.float32)
    codes, scale = coded(weight, 0, np.full(2, 1 / 127, np.float32), bias, 1e-3)
    assert scale[1] > scale[0]
    assert abs(bias[1] / (scale[1] * 1e-3)) < 2**31
    assert codes.tolist() == [[127], [1]] or codes[1, 0] < 127
