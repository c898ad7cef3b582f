"""`quantize --partial` and `--bias-correction` on a detector that plain INT8 ruins."""

import re
from dataclasses import replace
from types import SimpleNamespace

import cv2
import numpy as np
import onnx
import pytest
from click.testing import CliRunner

from streamd import cli, manifest
from streamd.cli import partial as left
from streamd.cli import quantize as command
from streamd.errors import DataError
from streamd.int8 import partial
from streamd.int8 import quantize as methods
from streamd.int8.lint import lint
from streamd.scenes import write_dataset
from streamd.score import dataset


@pytest.fixture(scope="module")
def folder(tmp_path_factory, bad):
    folder = tmp_path_factory.mktemp("repair")
    onnx.save(bad.graph.model, folder / "net.onnx")
    manifest.save(bad.manifest, folder / "net.onnx")
    random = np.random.default_rng(0)
    (folder / "pictures").mkdir()
    for i in range(12):
        cv2.imwrite(str(folder / "pictures" / f"{i:02}.png"), random.integers(0, 255, (64, 64, 3), np.uint8))
    return folder


def quantized(folder, out, *arguments, code=0):
    options = ("--data", folder / "pictures", "--method", "mse", "--min-agreement", 0, "--confidence", 0.5)
    words = [str(word) for word in (folder / "net.onnx", "--out", out, *options, *arguments)]
    result = CliRunner().invoke(command.command, words)
    assert result.exit_code == code, result.output + repr(result.exception)
    return result


def about(out):
    return manifest.load(out / "net.trt.onnx").quantization


@pytest.fixture(scope="module")
def partly(folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("partly")
    return out, quantized(folder, out, "--partial", "--target-drop", 0.05, "--max-float", 0.6)


def test_the_planted_layer_is_left_in_float_and_told(partly, bad):
    out, result = partly
    (layer,) = bad.graph.consumers[f"{bad.tensor}/spread"]
    assert layer.name in about(out)["left_in_float"]
    why = rf"in float: {re.escape(layer.name)}\n    alone in INT8 its noise is -\d+\.\d dB, the 1\. of \d+\n"
    assert re.search(why, result.output)
    assert "all in INT8, " in result.output


def test_what_is_left_in_float_reaches_the_target(partly):
    out, _ = partly
    assert about(out)["drop"] <= 0.05
    assert 0 < about(out)["float_share"] <= 0.6


def test_the_layers_left_out_are_not_quantized_in_either_file_and_both_are_clean(partly):
    out, _ = partly
    for kind, runtime in (("trt", "tensorrt"), ("cpu", "onnxruntime")):
        model = onnx.load(out / f"net.{kind}.onnx")
        names = {node.name for node in model.graph.node}
        assert not any(f"{layer}/weight/DQ" in names for layer in about(out)["left_in_float"])
        assert any(name.endswith("/weight/DQ") for name in names)
        assert [finding for finding in lint(model, runtime) if finding.severity == "error"] == []


def coarse(trial):
    """A method with which no more than a few codes are left."""
    rough = {name: scale * 64 for name, scale in trial.scales.activations.items()}
    return methods.Trial("coarse", replace(trial.scales, activations=rough), trial.agreement)


@pytest.mark.parametrize(("first", "searches"), [("coarse", 2), ("mse", 1)])
def test_the_method_is_the_one_that_is_best_once_groups_are_in_float(
    folder, partly, tmp_path, monkeypatch, first, searches
):
    """Which of them was best before tells little: all in INT8 each ruins the model."""

    def trials(piece, calibration, names, judge, advance):
        (fine,) = tried(piece, calibration, ["mse"], judge, advance)
        return sorted([fine, coarse(fine)], key=lambda trial: trial.method != first)

    def search(*given, **options):
        counted.append(1)
        return found(*given, **options)

    tried, found, counted = methods.trials, partial.search, []
    monkeypatch.setattr(methods, "trials", trials)
    monkeypatch.setattr(partial, "search", search)
    options = ("--partial", "--target-drop", 0.05, "--max-float", 0.6, "--method", "best")
    output = quantized(folder, tmp_path, *options).output
    assert about(tmp_path) == about(partly[0])
    assert about(tmp_path)["method"] == "mse"
    assert (tmp_path / "net.trt.onnx").read_bytes() == (partly[0] / "net.trt.onnx").read_bytes()
    assert len(counted) == searches
    assert ("in float: mse is taken\n" in output) == (searches == 2)


def test_a_cap_that_is_too_low_is_told(folder, tmp_path):
    output = quantized(folder, tmp_path, "--partial", "--target-drop", 0, "--max-float", 0).output
    assert "--target-drop 0 is not reached within --max-float 0; the head alone has 0.0" in output
    assert about(tmp_path)["left_in_float"] == []


def test_the_correction_that_judges_best_is_in_both_files(folder, tmp_path):
    output = quantized(folder, tmp_path, "--bias-correction").output
    lines = [line.split() for line in output.splitlines() if line.startswith("bias correction")]
    found = {words[2]: float(words[4]) + float(words[7]) for words in lines}
    assert set(found) == {"none", "weights", "everything"}
    kind = about(tmp_path)["bias_correction"]
    assert found[kind] == max(found.values())
    model = onnx.load(tmp_path / "net.trt.onnx")
    assert any("/bias/corrected" in tensor.name for tensor in model.graph.initializer) == (kind != "none")


@pytest.mark.parametrize("option", ["--partial", "--bias-correction"])
def test_without_pictures_one_line_says_what_is_missing(folder, tmp_path, option):
    (tmp_path / "none.npz").touch()
    words = [
        "quantize",
        str(folder / "net.onnx"),
        "--calibration",
        str(tmp_path / "none"),
        "--out",
        str(tmp_path),
        option,
    ]
    result = CliRunner().invoke(cli.group, words)
    assert result.exit_code == 1
    assert result.stderr.startswith(f"streamd: {option} ")
    assert len(result.stderr.splitlines()) == 1


def refused(folder, out, *arguments):
    result = quantized(folder, out, *arguments, code=1)
    assert not (out / "net.trt.onnx").exists()
    return str(result.exception)


def test_a_judge_that_shows_nothing_is_refused(folder, tmp_path):
    """Nothing could be lost on its pictures, so every target would hold."""
    line = refused(folder, tmp_path, "--partial", "--confidence", 1)
    assert line.startswith("--partial: the float model finds nothing on these pictures with a confidence of 1; name")


def test_what_would_leave_nothing_in_int8_is_refused(folder, tmp_path, monkeypatch):
    def all_of_them(ranked, judge, share, **_):
        return partial.Found(list(ranked), judge(ranked), judge([]), share(ranked), share([]), reached=True)

    monkeypatch.setattr(partial, "search", all_of_them)
    line = refused(folder, tmp_path, "--partial", "--max-float", 1)
    assert "net.onnx: --partial leaves no layer in INT8; take a larger --target-drop" in line


@pytest.fixture(scope="module")
def labelled(tmp_path_factory):
    """Eight pictures and their labels."""
    folder = tmp_path_factory.mktemp("labelled")
    write_dataset(folder, split="held-out", images=8, seed=0, width=128, height=96)
    return folder


@pytest.mark.parametrize(("part", "numbers"), [((0, 1), range(8)), ((0.5, 1), range(4, 8)), ((0, 0.25), range(2))])
def test_labels_are_of_the_pictures_that_the_judge_shows(labelled, part, numbers):
    piece = SimpleNamespace(manifest=SimpleNamespace(head="yolov8"))
    every = sorted(truth.path for truth in dataset.read(labelled).truths)
    found = left.judged_labels(piece, {"judge": [labelled], "judge_part": part})
    assert sorted(truth.path for truth in found.truths) == [every[i] for i in numbers]


def test_a_judge_that_shows_no_labelled_picture_is_told(labelled):
    piece = SimpleNamespace(manifest=SimpleNamespace(head="yolov8"))
    with pytest.raises(DataError, match="--partial: no picture that --judge shows is labelled; widen --judge-part"):
        left.judged_labels(piece, {"judge": [labelled], "judge_part": (0.99, 1)})


def test_a_judge_without_labels_has_none(folder):
    piece = SimpleNamespace(manifest=SimpleNamespace(head="yolov8"))
    assert left.judged_labels(piece, {"judge": [folder / "pictures"], "judge_part": (0, 1)}) is None


@pytest.mark.parametrize("option", ["--target-drop", "--max-float"])
def test_no_number_is_a_usage_error(folder, tmp_path, option):
    quantized(folder, tmp_path, "--partial", option, "nan", code=2)
