import numpy as np
import pytest

from streamd.errors import ModelError

pytest.importorskip("torch", reason="the extra `train` is not installed")

SMALL = np.float32(0.25)


@pytest.mark.parametrize(
    ("op", "attributes"),
    [
        ("Elu", {"alpha": 0.5}),
        ("Erf", {}),
        ("Exp", {}),
        ("Gelu", {}),
        ("Gelu", {"approximate": "tanh"}),
        ("GlobalAveragePool", {}),
        ("GlobalMaxPool", {}),
        ("HardSigmoid", {"alpha": 0.3}),
        ("HardSwish", {}),
        ("Identity", {}),
        ("LeakyRelu", {"alpha": 0.1}),
        ("Mish", {}),
        ("Neg", {}),
        ("Relu", {}),
        ("Shape", {}),
        ("Shape", {"start": 1, "end": 3}),
        ("Sigmoid", {}),
        ("Softmax", {"axis": 1}),
        ("Softplus", {}),
        ("Tanh", {}),
        ("Cast", {"to": 1}),
        ("ReduceSum", {"keepdims": 0}),
    ],
)
def test_operators_of_one_tensor_answer_as_in_onnx_runtime(alike, x, op, attributes):
    alike(op, x, **attributes)


@pytest.mark.parametrize("op", ["Add", "Sub", "Mul", "Div", "Max", "Min", "PRelu"])
def test_operators_of_two_tensors_answer_as_in_onnx_runtime(alike, x, op):
    alike(op, x, np.linspace(0.5, 2, 8, dtype=np.float32).reshape(8, 1, 1))


def test_roots_powers_and_limits_answer_as_in_onnx_runtime(alike, x):
    alike("Sqrt", np.abs(x))
    alike("Pow", np.abs(x), np.float32(1.5))
    alike("Clip", x, -SMALL, SMALL)
    alike("Clip", x, None, SMALL)
    alike("Clip", x)


def test_integers_are_divided_towards_zero(alike):
    alike("Div", np.array([7, -7]), np.array([2, 2]))


def test_reductions_answer_as_in_onnx_runtime(alike, x):
    for op in ("ReduceMean", "ReduceMax", "ReduceSum"):
        alike(op, x, np.array([2, -1]), keepdims=0)
        alike(op, x, np.array([1]))
    alike("ReduceMean", x, np.array([], np.int64), noop_with_empty_axes=1)


def test_products_answer_as_in_onnx_runtime(alike, x):
    random = np.random.default_rng(1)
    matrix = random.normal(size=(10, 4)).astype(np.float32)
    alike("MatMul", x, matrix)
    alike("Gemm", x[0, 0], matrix, np.arange(4, dtype=np.float32), alpha=0.5, beta=2.0)
    alike("Gemm", x[0, 0].T.copy(), matrix.T.copy(), transA=1, transB=1)


def test_batch_normalisation_that_was_not_folded_answers_as_in_onnx_runtime(alike, x):
    random = np.random.default_rng(1)
    alike("BatchNormalization", x, *(random.random(8).astype(np.float32) + 0.5 for _ in range(4)), epsilon=1e-3)


def test_an_unknown_operator_is_refused_by_name(alike, x):
    with pytest.raises(ModelError, match="it: Celu is not among the operators that can be trained"):
        alike("Celu", x)
