import numpy as np
import pytest

from streamd.errors import ModelError

pytest.importorskip("torch", reason="the extra `train` is not installed")

RANDOM = np.random.default_rng(2)


def weight(*shape):
    return RANDOM.normal(size=shape).astype(np.float32)


@pytest.mark.parametrize(
    "attributes",
    [
        {},
        {"pads": [1, 1, 1, 1], "strides": [2, 2]},
        {"pads": [0, 1, 2, 0]},
        {"auto_pad": "SAME_UPPER", "strides": [2, 2]},
        {"auto_pad": "SAME_LOWER", "strides": [2, 2]},
        {"auto_pad": "VALID"},
        {"dilations": [2, 2], "pads": [2, 2, 2, 2]},
    ],
)
def test_convolutions_answer_as_in_onnx_runtime(alike, x, attributes):
    alike("Conv", x, weight(4, 8, 3, 3), weight(4), **attributes)
    alike("Conv", x, weight(8, 1, 3, 3), group=8, **attributes)


@pytest.mark.parametrize(
    "attributes",
    [{}, {"strides": [2, 2], "pads": [1, 1, 1, 1], "output_padding": [1, 1]}, {"pads": [0, 1, 1, 0]}, {"group": 2}],
)
def test_transposed_convolutions_answer_as_in_onnx_runtime(alike, x, attributes):
    alike("ConvTranspose", x, weight(8, 4, 3, 3), weight(4 * attributes.get("group", 1)), **attributes)


@pytest.mark.parametrize(
    "attributes", [{}, {"pads": [1, 1, 1, 1]}, {"strides": [2, 2], "pads": [0, 0, 1, 1]}, {"auto_pad": "SAME_UPPER"}]
)
def test_poolings_answer_as_in_onnx_runtime(alike, x, attributes):
    alike("MaxPool", x, kernel_shape=[3, 3], **attributes)
    alike("AveragePool", x, kernel_shape=[3, 3], **attributes)
    alike("AveragePool", x, kernel_shape=[3, 3], count_include_pad=1, **attributes)


def test_a_maximum_may_reach_beyond_the_border(alike, x):
    alike("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1)


def test_modes_that_are_not_known_are_refused(alike, x):
    with pytest.raises(ModelError, match="AveragePool with ceil_mode"):
        alike("AveragePool", x, kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1)
    with pytest.raises(ModelError, match="ConvTranspose with auto_pad"):
        alike("ConvTranspose", x, weight(8, 4, 3, 3), auto_pad="SAME_UPPER")
