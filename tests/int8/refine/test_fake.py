import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra `train` is not installed")

from streamd.int8.refine import fake  # noqa: E402 - it imports torch
from streamd.int8.scales import rounded  # noqa: E402

X = torch.tensor([-300.0, -1.3, 0.4, 2.5, 300.0])


def test_quantized_is_what_a_pair_computes():
    scale = torch.tensor(2.0)
    expected = np.clip(np.rint(X.numpy() / 2), -128, 127) * 2
    assert fake.quantized(X, scale).tolist() == expected.tolist()


def test_gradients_pass_rounding_and_stop_at_clipping():
    x = X.clone().requires_grad_()
    fake.quantized(x, torch.tensor(1.0)).sum().backward()
    assert x.grad.tolist() == [0, 1, 1, 1, 0]


def test_the_gradient_of_a_scale_is_that_of_lsq():
    scale = torch.tensor(1.0, requires_grad=True)
    fake.quantized(X, scale).sum().backward()
    inside = np.rint(X[1:4].numpy()) - X[1:4].numpy()
    assert float(scale.grad) == pytest.approx(-128 + 127 + inside.sum())


def test_a_scale_is_used_as_it_is_written():
    for value in (0.0123456, 3e-5, 1.0, 99999.0):
        scale = torch.tensor(value, requires_grad=True)
        used = fake.as_half(scale)
        assert float(used.detach()) == rounded(value)
        used.backward()
        assert float(scale.grad) == 1
