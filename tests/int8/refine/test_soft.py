import math

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra `train` is not installed")

from streamd.int8.refine.soft import SoftWeight, beta, undecided  # noqa: E402 - it imports torch
from streamd.int8.scales import quantize_weight  # noqa: E402


@pytest.fixture
def weight():
    return np.random.default_rng(0).normal(size=(4, 3, 3, 3)).astype(np.float32)


@pytest.fixture
def made(weight):
    return SoftWeight(torch.from_numpy(weight), quantize_weight(weight, 0)[1], 0)


def test_it_begins_as_the_weight_itself(made, weight):
    _, scale = quantize_weight(weight, 0)
    held = np.clip(weight / scale[:, None, None, None], -127, 127) * scale[:, None, None, None]
    assert np.abs(made.soft(made.upward()).detach().numpy() - held).max() < 1e-5


def test_rounded_to_nearest_it_is_what_the_writer_makes(made, weight):
    codes, scale = quantize_weight(weight, 0)
    assert np.array_equal(made.codes(nearest=True)[0], codes)
    assert np.array_equal(made.nearest().numpy(), codes * scale[:, None, None, None])
    assert np.array_equal(made.codes()[0], codes)  # nothing learned yet: what is nearer wins


def test_what_is_decided_is_one_of_the_two_codes_around_the_weight(made, weight):
    with torch.no_grad():
        made.logits += 3 * torch.randn_like(made.logits)
    codes, scale = made.codes()
    exact = weight / scale[:, None, None, None]
    assert (np.abs(codes - np.clip(exact, -127, 127)) < 1 + 1e-4).all()
    assert np.array_equal(made.hard().detach().numpy(), codes * scale[:, None, None, None])


def test_the_regulariser_is_zero_where_all_is_decided_and_one_a_weight_in_between(made):
    with torch.no_grad():
        made.logits.fill_(10)
    assert float(undecided(made.upward(), 5.0).detach()) == 0
    with torch.no_grad():
        made.logits.fill_(0)
    assert float(undecided(made.upward(), 5.0).detach()) == made.logits.numel()


def test_beta_falls_from_20_to_2_after_a_fifth_of_the_steps():
    values = [beta(step, 1000) for step in range(1000)]
    assert all(value == math.inf for value in values[:200])
    assert values[200] == 20
    assert values[-1] == pytest.approx(2, abs=1e-3)
    assert values[200:] == sorted(values[200:], reverse=True)
