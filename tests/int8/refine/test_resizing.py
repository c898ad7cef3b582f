import numpy as np
import pytest

from streamd.errors import ModelError

pytest.importorskip("torch", reason="the extra `train` is not installed")

MAPPINGS = ["half_pixel", "pytorch_half_pixel", "asymmetric", "align_corners"]


@pytest.mark.parametrize("mapping", MAPPINGS)
@pytest.mark.parametrize("sides", [(18, 20), (4, 25), (9, 1)])
def test_linear_resizing_answers_as_in_onnx_runtime(alike, x, mapping, sides):
    sizes = np.array([2, 8, *sides])
    alike("Resize", x, None, None, sizes, mode="linear", coordinate_transformation_mode=mapping)


@pytest.mark.parametrize("mapping", MAPPINGS)
@pytest.mark.parametrize("nearest", ["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"])
def test_nearest_resizing_answers_as_in_onnx_runtime(alike, x, mapping, nearest):
    scales = np.array([1, 1, 2, 1.5], np.float32)
    alike("Resize", x, None, scales, coordinate_transformation_mode=mapping, nearest_mode=nearest)


def test_some_axes_may_be_named(alike, x):
    alike("Resize", x, None, np.array([2, 2], np.float32), axes=[2, 3])


def test_cubic_resizing_is_refused(alike, x):
    with pytest.raises(ModelError, match="Resize of mode cubic"):
        alike("Resize", x, None, np.array([1, 1, 2, 2], np.float32), mode="cubic")
