import json
from pathlib import Path

import cv2
import numpy as np
import onnx
import onnxruntime as ort
import pytest
from click.testing import CliRunner
from onnx import TensorProto

from streamd import manifest
from streamd.cli import calibrate as calibrate_command
from streamd.cli import lint as lint_command
from streamd.cli import quantize as quantize_command
from streamd.errors import ModelError, StreamdError
from streamd.int8 import graph as graphs
from streamd.int8 import quantize, scales
from streamd.int8.calibrate import calibrate
from streamd.int8.judge import Saving
from streamd.int8.lint import lint
from streamd.int8.placement import plan
from streamd.int8.scales import Scales
from streamd.int8.thresholds import METHODS
from streamd.manifest import Input, Manifest


@pytest.fixture(scope="module")
def folder(tmp_path_factory, detector_model):
    """A model with its manifest, pictures, and a calibration."""
    folder = tmp_path_factory.mktemp("quantize")
    (folder / "net.onnx").write_bytes(detector_model.SerializeToString())
    labels = tuple("abcde")
    manifest.save(Manifest("yolov8", labels, Input("images", 64, 64)), folder / "net.onnx")
    random = np.random.default_rng(0)
    (folder / "pictures").mkdir()
    for i in range(8):
        cv2.imwrite(str(folder / "pictures" / f"{i}.png"), random.integers(0, 255, (64, 64, 3), np.uint8))
    done = invoke(calibrate_command, folder / "net.onnx", "--data", folder / "pictures", "--out", folder / "seen")
    assert "8 frames" in done.output
    return folder


def invoke(module, *arguments, code=0):
    result = CliRunner().invoke(module.command, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output + repr(result.exception)
    return result


def quantized(folder, out, *arguments, code=0):
    return invoke(quantize_command, folder / "net.onnx", "--out", out, *arguments, code=code)


def test_two_files_and_their_manifests_are_written(folder, tmp_path):
    quantized(folder, tmp_path, "--calibration", folder / "seen", "--method", "mse")
    assert {path.name for path in tmp_path.iterdir()} == {
        "net.trt.onnx", "net.trt.json", "net.cpu.onnx", "net.cpu.json",
    }  # fmt: skip
    for kind in ("trt", "cpu"):
        own = manifest.load(tmp_path / f"net.{kind}.onnx")
        assert (own.precision, own.quantization["method"], own.quantization["frames"]) == ("int8", "mse", 8)


def test_the_files_are_clean_by_the_linter(folder, tmp_path):
    quantized(folder, tmp_path, "--calibration", folder / "seen", "--method", "minmax")
    assert lint(onnx.load(tmp_path / "net.trt.onnx")) == []
    assert "0 errors, 0 warnings, by the rules of tensorrt" in invoke(lint_command, tmp_path / "net.trt.onnx").output
    assert "by the rules of onnxruntime" in invoke(lint_command, tmp_path / "net.cpu.onnx").output


def test_lint_exits_1_on_errors(folder, tmp_path):
    quantized(folder, tmp_path, "--calibration", folder / "seen", "--method", "minmax")
    output = invoke(lint_command, tmp_path / "net.cpu.onnx", "--runtime", "tensorrt", code=1).output
    assert "[zero-point]" in output


def test_a_quarter_of_the_data_is_held_out_and_judged(folder, tmp_path):
    arguments = ("--data", folder / "pictures", "--method", "minmax", "--min-agreement", 0, "--confidence", 0.01)
    output = quantized(folder, tmp_path, *arguments).output
    assert "judged on 2 pictures, method minmax" in output
    assert json.loads((tmp_path / "net.trt.json").read_text())["quantization"]["frames"] == 6
    for row in ("net  ", "fp16 (simulated)", "int8 TensorRT (simulated)", "net.cpu", "saving = "):
        assert row in output


def test_below_the_least_agreement_nothing_is_written(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(quantize, "judged", lambda *_: quantize.Agreement(1, 1, 0.5, 0, 0, 0, None, None))
    arguments = ("--calibration", folder / "seen", "--method", "minmax", "--judge", folder / "pictures")
    output = quantized(folder, tmp_path, *arguments, code=1).output
    assert "minmax agrees with the float model to 0.500, below 0.9: nothing written" in output
    assert not list(tmp_path.iterdir())
    quantized(folder, tmp_path, *arguments, "--force")
    assert list(tmp_path.iterdir())


def test_a_cache_written_from_our_scales_gives_the_same_tensorrt_file(folder, tmp_path):
    arguments = ("--calibration", folder / "seen", "--method", "mse", "--write-cache", tmp_path / "net.cache")
    quantized(folder, tmp_path / "a", *arguments)
    assert (tmp_path / "net.cache").read_text().startswith("TRT-8600-EntropyCalibration2\n")
    quantized(folder, tmp_path / "b", "--cache", tmp_path / "net.cache")
    assert (tmp_path / "a/net.trt.onnx").read_bytes() == (tmp_path / "b/net.trt.onnx").read_bytes()


def test_a_fragile_layer_is_left_in_float_and_told(net, pictures, capsys):
    x = net.layer("images", 3, 16, name="stem")
    ranges = net.constant(np.array([1] + [1e-4] * 15, np.float32).reshape(1, 16, 1, 1))
    x = net.layer(net.node("Mul", x, ranges), 16, 16, 3, group=16, name="depthwise")
    graph = graphs.prepare(net.model(net.conv(net.layer(x, 16, 8, name="mixing"), 8, 4)))
    made = Manifest("yolov8", ("a",), Input("images", 64, 64))
    piece = quantize.Workpiece(Path("net.onnx"), graph, made, plan(graph))
    given = {"keep_float": ("mixing",), "only": (), "whole": False}
    quantize_command.screen(piece, calibrate(graph, pictures), given)
    assert (piece.placement.layers, set(piece.placement.kept)) == (["stem"], {"depthwise", "mixing"})
    assert "note: depthwise stays in float" in capsys.readouterr().err


@pytest.mark.parametrize("base", ["fp32", "fp16"])
def test_the_base_type_is_the_users(folder, tmp_path, base):
    quantized(folder, tmp_path, "--calibration", folder / "seen", "--method", "minmax", "--base", base)
    model = onnx.load(tmp_path / "net.trt.onnx")
    assert (base == "fp16") == any(t.data_type == TensorProto.FLOAT16 for t in model.graph.initializer)


def test_the_list_names_what_would_be_done(folder):
    lines = invoke(quantize_command, folder / "net.onnx", "--list", "--keep-float", "m[12]").output.splitlines()
    assert "kept       m1" in lines
    assert "head       box0_last" in lines
    assert "quantized  stem" in lines


@pytest.mark.parametrize(
    "arguments",
    [("--out", "x"), ("--calibration", "a"), ("--out", "x", "--calibration", "a", "--cache", "b"), ("--part", "1:0")],
)
def test_a_wrong_call_is_a_usage_error(folder, arguments):
    invoke(quantize_command, folder / "net.onnx", *arguments, code=2)


def test_best_without_pictures_is_refused(folder, tmp_path):
    result = CliRunner().invoke(
        quantize_command.command,
        [str(folder / "net.onnx"), "--calibration", str(folder / "seen"), "--out", str(tmp_path)],
    )
    assert isinstance(result.exception, StreamdError)
    assert "--method best needs pictures" in str(result.exception)


@pytest.mark.parametrize("pattern", ["no_such_node", "(", "stem_"])
def test_a_pattern_without_a_node_is_refused(detector_model, pattern):
    with pytest.raises(ModelError):
        quantize.keeper(graphs.prepare(detector_model), [pattern], [])


def test_only_and_keep_float_are_whole_names(detector_model):
    graph = graphs.prepare(detector_model)
    keep = quantize.keeper(graph, [], ["stem", "down[0-9]"])
    assert {node.name for node in graph.nodes if not keep(node)} == {"stem", "down1", "down2"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("flags : fpu avx512_vnni\n", True),
        ("flags\t: fpu avx2\n", False),
        ("Features : fp asimddp\n", True),
        ("", False),
    ],
)
def test_vnni_is_read_from_the_processors_flags(tmp_path, text, expected):
    (tmp_path / "cpuinfo").write_text(text)
    assert quantize.has_vnni(tmp_path / "cpuinfo") is expected


def test_a_processor_that_cannot_be_asked_has_none(tmp_path):
    assert not quantize.has_vnni(tmp_path / "none")


def test_the_best_method_agrees_at_both_overlaps_and_then_drifts_least():
    def trial(name, matched50, matched90, drift):
        return quantize.Trial(name, Scales(), quantize.Agreement(9, 9, matched50, matched90, 0, 0, drift, drift))

    loose, tight, steady = trial("a", 0.99, 0.8, 0.1), trial("b", 0.98, 0.9, 0.2), trial("c", 0.98, 0.9, 0.1)
    assert max((loose, tight, steady), key=lambda one: one.rank).method == "c"


def test_the_saving_says_when_int8_loses():
    assert (
        str(Saving(10, 4, 1, 1))
        == "saving = 10.00 float - 4.00 INT8 - 1.00 quantize - 1.00 dequantize = 4.00 ms a frame"
    )
    assert "INT8 is slower here" in str(Saving(10, 9, 1, 1))


def test_naive_quantization_in_float16_keeps_suppression_in_float32(folder, tmp_path, detector_model):
    """Boxes are chosen in the graph itself, by an operator that takes float32 alone."""
    model = onnx.ModelProto()
    model.CopyFrom(detector_model)
    answers = model.graph.output[0].name
    numbers = {"box_from": [0], "box_to": [4], "end": [9], "axis": [1], "most": [5]}
    model.graph.initializer.extend(onnx.numpy_helper.from_array(np.array(v), k) for k, v in numbers.items())
    node = onnx.helper.make_node
    model.graph.node.extend(
        [
            node("Slice", [answers, "box_from", "box_to", "axis"], ["rows"], "rows"),
            node("Transpose", ["rows"], ["boxes"], "boxes", perm=[0, 2, 1]),
            node("Slice", [answers, "box_to", "end", "axis"], ["scores"], "scores"),
            node("NonMaxSuppression", ["boxes", "scores", "most"], ["chosen"], "nms"),
        ]
    )
    model.graph.output.append(onnx.helper.make_tensor_value_info("chosen", TensorProto.INT64, None))
    graph = graphs.prepare(model)
    placement = plan(graph, whole=True)
    seen = calibrate(graph, [np.zeros((1, 3, 64, 64), np.float32)], whole=True)
    piece = quantize.Workpiece(tmp_path / "net.onnx", graph, None, placement)
    made = piece.tensorrt(scales.choose(graph, placement, seen, METHODS["minmax"]), "fp16")
    ort.InferenceSession(made.SerializeToString(), providers=["CPUExecutionProvider"])
    types = {v.name: v.type.tensor_type.elem_type for v in onnx.shape_inference.infer_shapes(made).graph.value_info}
    decoded = next(n for n in made.graph.node if n.name == "score")
    assert types[decoded.output[0]] == TensorProto.FLOAT
