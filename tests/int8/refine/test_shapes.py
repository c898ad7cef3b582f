import numpy as np
import pytest

from streamd.errors import ModelError

pytest.importorskip("torch", reason="the extra `train` is not installed")


def test_what_moves_values_moves_them_as_onnx_runtime_does(alike, x):
    alike("Split", x, np.array([3, 5]), axis=1, outputs=2)
    alike("Split", x, axis=-1, num_outputs=3, outputs=3)
    alike("Slice", x, np.array([1, -6]), np.array([100, -1]), np.array([1, 3]), np.array([2, 3]))
    alike("Slice", x, np.array([1]), np.array([2]))
    alike("Reshape", x, np.array([0, -1, 10]))
    alike("Transpose", x, perm=[0, 2, 3, 1])
    alike("Transpose", x)
    alike("Flatten", x, axis=2)
    alike("Flatten", x, axis=0)
    alike("Unsqueeze", x, np.array([0, -1]))
    alike("Squeeze", x[:1], np.array([0]))
    alike("Squeeze", x[:1])
    alike("Gather", x, np.array([[0, -1], [2, 3]]), axis=1)
    alike("Gather", x, np.int64(1), axis=-1)
    alike("Expand", x[:, :1], np.array([2, 8, 9, 10]))


@pytest.mark.parametrize("mode", ["DCR", "CRD"])
def test_depth_becomes_space_and_space_depth(alike, x, mode):
    alike("DepthToSpace", x, blocksize=2, mode=mode)
    alike("SpaceToDepth", x[:, :, :8], blocksize=2)


def test_borders_are_added_where_they_are_asked_for(alike, x):
    alike("Pad", x, np.array([0, 0, 1, 2, 0, 0, 3, 0]), np.float32(2))
    alike("Pad", x, np.array([1, 2]), None, np.array([-1]))


def test_what_is_not_known_is_refused(alike, x):
    with pytest.raises(ModelError, match="Slice with a negative step"):
        alike("Slice", x, np.array([5]), np.array([0]), np.array([2]), np.array([-1]))
    with pytest.raises(ModelError, match="Pad of mode reflect"):
        alike("Pad", x, np.array([0, 0, 1, 1, 0, 0, 1, 1]), mode="reflect")
