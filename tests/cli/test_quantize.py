"""What a user can do wrong with `streamd calibrate` and `quantize`: one line, exit 1, and nothing left behind."""

import os
import signal
import subprocess
import sys
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from click.testing import CliRunner
from onnx import TensorProto, helper, numpy_helper

from streamd import manifest
from streamd.cli import calibrate as calibrate_command
from streamd.cli import group, quantize
from streamd.errors import SourceError
from streamd.int8 import data, report
from streamd.int8 import graph as graphs
from streamd.manifest import Input, Manifest


@pytest.fixture(scope="module")
def small_model():
    """A classifier of two layers, `stem` and `fc`."""
    random = np.random.default_rng(3)
    weights = {"w": (8, 3, 3, 3), "b": (8,), "m": (4, 8)}
    nodes = [
        helper.make_node("Conv", ["images", "w", "b"], ["a"], "stem", pads=[1] * 4),
        helper.make_node("Relu", ["a"], ["r"], "relu"),
        helper.make_node("GlobalAveragePool", ["r"], ["p"], "pool"),
        helper.make_node("Flatten", ["p"], ["f"], "Flatten_1"),
        helper.make_node("Gemm", ["f", "m"], ["logits"], "fc", transB=1),
    ]
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, 16, 16])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, 4])],
        [
            numpy_helper.from_array(random.normal(size=shape).astype(np.float32), name)
            for name, shape in weights.items()
        ],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def put(model, path):
    """Write a model and its manifest."""
    path.write_bytes(model)
    manifest.save(Manifest("classify", tuple("abcd"), Input("images", 16, 16)), path)
    return path


@pytest.fixture(scope="module")
def made(tmp_path_factory, small_model):
    """A model with its manifest, eight pictures, and a calibration."""
    folder = tmp_path_factory.mktemp("made")
    put(small_model.SerializeToString(), folder / "net.onnx")
    (folder / "pictures").mkdir()
    random = np.random.default_rng(0)
    for i in range(8):
        cv2.imwrite(str(folder / "pictures" / f"{i}.png"), random.integers(0, 255, (16, 16, 3), np.uint8))
    assert (
        streamd("calibrate", folder / "net.onnx", "--data", folder / "pictures", "--out", folder / "seen").exit_code
        == 0
    )
    return folder


@pytest.fixture
def forbidden(monkeypatch):
    """The work itself may not begin."""
    monkeypatch.setattr(graphs, "load", lambda path: pytest.fail(f"{path} was loaded"))


def streamd(*arguments):
    return CliRunner().invoke(group, [str(argument) for argument in arguments])


def refused(*arguments):
    result = streamd(*arguments)
    assert isinstance(result.exception, SystemExit), repr(result.exception)
    assert result.exit_code == 1
    (line,) = (line for line in result.stderr.splitlines() if line.startswith("streamd: "))
    assert result.stderr.splitlines()[-1] == line
    return line


def content(folder):
    return {path.name for path in folder.iterdir()}


def from_seen(made, out, *options):
    """Return the words of a `quantize` that needs no pictures."""
    return ("quantize", made / "net.onnx", "--calibration", made / "seen", "--method", "mse", "--out", out, *options)


@pytest.mark.parametrize("out", ["missing/seen", "file/seen", "x" * 300])
def test_calibrate_checks_its_place_first(made, tmp_path, forbidden, out):
    (tmp_path / "file").touch()
    line = refused("calibrate", made / "net.onnx", "--data", made / "pictures", "--out", tmp_path / out)
    assert line.startswith(f"streamd: --out {tmp_path / out}.npz: ")


def test_calibrate_never_replaces_the_models_manifest(made, forbidden):
    line = refused("calibrate", made / "net.onnx", "--data", made / "pictures", "--out", made / "net")
    assert "would replace net.json, the model's manifest" in line


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--out", "file"), "--out {}/file: {}/file is no folder"),
        (("--out", "taken"), "--out {}/taken/net.cpu.onnx: is a folder"),
        (("--out", "new", "--write-cache", "missing/c"), "--write-cache {}/missing/c: there is no folder {}/missing"),
        (("--out", "new", "--write-cache", "."), "--write-cache {}: is a folder"),
        (("--out", "new", "--write-cache", "pipe"), "--write-cache {}/pipe: is a pipe"),
        (("--out", "new", "--write-cache", "new/net.trt.onnx"), "--write-cache {}/new/net.trt.onnx: is another file"),
        (("--out", "new", "--write-cache", "new/" + "x" * 300), "File name too long"),
        (("--out", "new", "--write-cache", "c", "--tensorrt-version", "11.0.0"), "'11.0.0' reads no calibration cache"),
    ],
)
def test_quantize_checks_its_places_first(made, tmp_path, forbidden, options, message):
    (tmp_path / "file").touch()
    (tmp_path / "taken" / "net.cpu.onnx").mkdir(parents=True)
    os.mkfifo(tmp_path / "pipe")
    places = [value if value[0] in "-1" else tmp_path / value for value in options]
    before = content(tmp_path)
    line = refused(*from_seen(made, tmp_path / "unused", *places))
    assert message.format(tmp_path, tmp_path) in line
    assert content(tmp_path) == before


def test_a_cache_may_stand_beside_the_files_in_a_folder_that_is_made(made, tmp_path):
    assert streamd(*from_seen(made, tmp_path / "o", "--write-cache", tmp_path / "o/c")).exit_code == 0
    assert content(tmp_path / "o") == {"net.trt.onnx", "net.trt.json", "net.cpu.onnx", "net.cpu.json", "c"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ("--keep-float", ".*"),
            "net.onnx: nothing is left to quantize with --keep-float; `--list` prints what there is",
        ),
        (("--only", "Flatten.*"), "net.onnx: nothing is left to quantize with --only"),
        (
            ("--only", "stem", "--keep-float", "stem"),
            "net.onnx: nothing is left to quantize with --keep-float and --only",
        ),
        (("--only", "nowhere"), "no node is named 'nowhere'; `streamd quantize --list` prints the names"),
        (("--keep-float", "("), "'(': neither a node nor a regular expression: missing ), unterminated subpattern at"),
    ],
)
def test_a_choice_that_leaves_nothing_is_refused(made, tmp_path, options, message):
    assert message in refused(*from_seen(made, tmp_path / "o", *options))
    assert content(tmp_path) == set()


@pytest.mark.parametrize("command", ["calibrate", "quantize"])
@pytest.mark.parametrize("frames", ["-1", "1e3", "nan", "99999999999"])
def test_frames_are_a_sensible_number(made, tmp_path, command, frames):
    result = streamd(
        command, made / "net.onnx", "--data", made / "pictures", "--out", tmp_path / "o", "--frames", frames
    )
    assert result.exit_code == 2
    assert "Invalid value for '--frames'" in result.stderr


def test_no_limit_of_frames_takes_all(made, tmp_path):
    result = streamd(
        "calibrate", made / "net.onnx", "--data", made / "pictures", "--out", tmp_path / "o", "--frames", 0
    )
    assert "8 frames" in result.stdout


def test_the_calibration_of_another_model_is_named(made, tmp_path, small_model):
    other = put(small_model.SerializeToString() + b"\x32\x05again", tmp_path / "other.onnx")
    options = ("--calibration", made / "seen", "--method", "mse", "--out", tmp_path / "o")
    line = refused("quantize", other, *options)
    assert line.startswith(f"streamd: {made / 'seen'}: the calibration of the model ")


def test_best_without_pictures_is_told_before_the_work(made, tmp_path):
    line = refused("quantize", made / "net.onnx", "--calibration", made / "seen", "--out", tmp_path / "o")
    assert "--method best needs pictures to judge on" in line


def test_nothing_to_judge_on_is_told_before_anything_is_written(made, tmp_path):
    shape = np.array([1, 3, 16, 16], "<i4")
    (tmp_path / "batch").write_bytes(shape.tobytes() + bytes(4 * shape.prod()))
    words = from_seen(made, tmp_path / "o", "--judge", tmp_path / "batch")
    assert "--judge: no picture to judge on; name pictures" in refused(*words)
    assert content(tmp_path) == {"batch"}


def test_lint_tells_a_model_that_is_not_quantized(made):
    assert "net.onnx: is not quantized; name a file" in refused("lint", made / "net.onnx")


def test_no_number_is_no_agreement(made, tmp_path):
    options = ("--calibration", made / "seen", "--out", tmp_path / "o", "--min-agreement", "nan")
    assert streamd("quantize", made / "net.onnx", *options).exit_code == 2


def test_held_out_pictures_are_bounded_however_many_there_are(monkeypatch):
    class One:
        def copy(self):
            return self

    monkeypatch.setattr("streamd.int8.data.find", lambda _: data.Sources())
    monkeypatch.setattr("streamd.int8.data.shown", lambda *_, **__: (One() for _ in range(5000)))
    monkeypatch.setattr("streamd.int8.data.inputs", lambda _, shown, __: shown)
    monkeypatch.setattr(quantize, "run", lambda graph, inputs, frames, whole: sum(1 for _ in inputs))
    piece = SimpleNamespace(graph=None, manifest=SimpleNamespace(input=None))
    taken, kept = quantize.calibrated(piece, {"data": (), "frames": 0, "part": (0, 1), "whole": False}, keep=True)
    assert quantize.JUDGED / 2 <= len(kept) <= quantize.JUDGED
    assert taken > 4700


@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGTERM])
def test_a_calibration_that_is_stopped_leaves_nothing(made, tmp_path, kind):
    many = tmp_path / "many"
    many.mkdir()
    for i in range(2000):
        (many / f"{i}.png").hardlink_to(made / "pictures" / "0.png")
    out = tmp_path / "out"
    out.mkdir()
    command = [sys.executable, "-m", "streamd", "calibrate", made / "net.onnx", "--data", many, "--out", out / "seen"]
    process = subprocess.Popen([*command, "--frames", "0"], stderr=subprocess.PIPE, text=True)
    assert process.stderr.readline() == "calibrating\n"
    process.send_signal(kind)
    said = process.communicate(timeout=60)[1]
    assert process.returncode == (1 if kind == signal.SIGINT else 128 + kind)
    assert "Traceback" not in said
    assert content(out) == set()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("cameras: [", "cams.yaml"),
        ("nonsense: 1\n", "nonsense"),
        ("models: {m: {path: net.onnx}}\ncameras: {a: {uri: gone.mp4, model: m}}\n", "gone.mp4"),
    ],
)
def test_a_bad_configuration_of_cameras_is_told(made, tmp_path, text, message):
    (tmp_path / "cams.yaml").write_text(text)
    result = streamd("calibrate", made / "net.onnx", "--data", tmp_path / "cams.yaml", "--out", tmp_path / "seen")
    assert isinstance(result.exception, SystemExit), repr(result.exception)
    assert result.exit_code == 1
    assert message in result.stderr
    assert content(tmp_path) == {"cams.yaml"}


def test_cameras_that_give_no_frame_are_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr(calibrate_command, "PATIENCE_S", 0.01)
    text = "models: {m: {path: 'bundled:street.onnx'}}\ncameras: {a: {uri: 'rtsp://127.0.0.1:9/x', model: m}}\n"
    (tmp_path / "cams.yaml").write_text(text)
    with pytest.raises(SourceError, match=r"cams\.yaml: no camera gave a frame for"):
        next(calibrate_command.watched(tmp_path / "cams.yaml", 3, 1))


def test_a_model_of_a_fixed_batch_is_quantized(tmp_path, made, small_model):
    model = type(small_model).FromString(small_model.SerializeToString())
    for value in (model.graph.input[0], model.graph.output[0]):
        value.type.tensor_type.shape.dim[0].dim_value = 3
    put(model.SerializeToString(), tmp_path / "net.onnx")
    options = ("--data", made / "pictures", "--method", "mse", "--min-agreement", "0")
    repairs = ("--bias-correction", "--partial", "--confidence", "0")
    done = streamd("quantize", tmp_path / "net.onnx", *options, *repairs, "--out", tmp_path / "int8")
    assert done.exit_code == 0, done.output
    assert "judged on 2 pictures" in done.output


def test_a_report_that_fails_leaves_it_told_what_was_written(made, tmp_path, monkeypatch):
    def full(*_):
        raise SourceError("no room for the report")

    monkeypatch.setattr(report, "report", full)
    options = ("--data", made / "pictures", "--method", "mse", "--min-agreement", "0")
    done = streamd("quantize", made / "net.onnx", *options, "--out", tmp_path / "int8")
    assert done.exit_code == 1
    assert f"wrote {tmp_path / 'int8' / 'net.trt.onnx'}" in done.stdout
