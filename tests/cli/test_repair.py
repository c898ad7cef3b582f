import cv2
import numpy as np
import onnx
import pytest
from click.testing import CliRunner
from onnx import TensorProto, helper, numpy_helper

from streamd import manifest
from streamd.cli import group
from streamd.manifest import Input, Manifest

SHAPES = {"w0": (8, 3, 3, 3), "w1": (8, 8, 3, 3), "m": (4, 8)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A classifier with nothing between its two convolutions, the channels between them spread, and eight pictures."""
    folder, random = tmp_path_factory.mktemp("made"), np.random.default_rng(3)
    spread = (4.0 ** np.arange(-4, 4)).astype(np.float32)
    weights = {name: random.normal(size=shape).astype(np.float32) for name, shape in SHAPES.items()}
    weights["w0"] *= spread[:, None, None, None]
    weights["w1"] /= spread[None, :, None, None]
    nodes = [
        helper.make_node("Conv", ["images", "w0"], ["a"], "stem", pads=[1] * 4),
        helper.make_node("Conv", ["a", "w1"], ["b"], "next", pads=[1] * 4),
        helper.make_node("Relu", ["b"], ["r"], "relu"),
        helper.make_node("GlobalAveragePool", ["r"], ["p"], "pool"),
        helper.make_node("Flatten", ["p"], ["f"], "flat"),
        helper.make_node("Gemm", ["f", "m"], ["logits"], "fc", transB=1),
    ]
    values = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in (("images", [1, 3, 16, 16]), ("logits", [1, 4]))
    ]
    constants = [numpy_helper.from_array(value, name) for name, value in weights.items()]
    body = helper.make_graph(nodes, "small", values[:1], values[1:], constants)
    onnx.save(helper.make_model(body, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), folder / "net.onnx")
    manifest.save(Manifest("classify", tuple("abcd"), Input("images", 16, 16)), folder / "net.onnx")
    (folder / "pictures").mkdir()
    for i in range(8):
        cv2.imwrite(str(folder / "pictures" / f"{i}.png"), random.integers(0, 255, (16, 16, 3), np.uint8))
    return folder


def quantize(folder, out, *options):
    words = ("quantize", folder / "net.onnx", "--method", "mse", "--min-agreement", "0", "--out", out, *options)
    return CliRunner().invoke(group, [str(word) for word in words])


def test_equalize_says_where_and_writes_it_to_the_manifest(folder, tmp_path):
    done = quantize(folder, tmp_path, "--data", folder / "pictures", "--equalize")
    assert done.exit_code == 0, done.output
    assert "equalized: a\n" in done.stdout
    assert manifest.load(tmp_path / "net.trt.onnx").quantization["equalized"] == 1
    assert quantize(folder, tmp_path / "as-it-is", "--data", folder / "pictures").exit_code == 0
    files = [path / "net.trt.onnx" for path in (tmp_path, tmp_path / "as-it-is")]
    assert files[0].read_bytes() != files[1].read_bytes()


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--cache", "none.cache"), "--equalize needs pictures"),
        (("--data", "pictures", "--write-cache", "new.cache"), "of an equalized model"),
    ],
)
def test_equalize_where_it_cannot_be_is_refused(folder, tmp_path, options, told):
    done = quantize(folder, tmp_path / "int8", *options, "--equalize")
    assert done.exit_code == 1
    assert told in done.stderr
    assert list(tmp_path.iterdir()) == []
