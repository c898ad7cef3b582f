import json
import shutil

import cv2
import numpy as np
import onnx
import pytest
from click.testing import CliRunner
from onnx import TensorProto, helper

from streamd.cli import group
from streamd.manifest import Input, Manifest, save


def run(*arguments):
    return CliRunner().invoke(group, ["eval", *map(str, arguments)])


@pytest.fixture
def classifier(tmp_path):
    """A classifier that answers with the first two values of its picture."""
    nodes = [
        helper.make_node("Flatten", ["images"], ["flat"]),
        helper.make_node("Slice", ["flat", "from", "to", "axis"], ["logits"]),
    ]
    constants = {"from": 0, "to": 2, "axis": 1}
    graph = helper.make_graph(
        nodes,
        "test",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, ["n", 3, 8, 8])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", 2])],
        [helper.make_tensor(name, TensorProto.INT64, [1], [value]) for name, value in constants.items()],
    )
    path = tmp_path / "model.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
    save(Manifest(head="classify", labels=("left", "right"), input=Input("images", 8, 8)), path)
    return path


@pytest.fixture
def data(tmp_path):
    for name in ("left", "right"):
        (tmp_path / "data" / name).mkdir(parents=True)
        assert cv2.imwrite(str(tmp_path / "data" / name / "a.png"), np.full((8, 8, 3), 90, np.uint8))
    return tmp_path / "data"


def test_a_table(classifier, data):
    result = run(classifier, "--data", data)
    assert result.exit_code == 0
    assert result.stdout.splitlines()[0].split() == [
        "model",
        "precision",
        "size",
        "MB",
        "Top-1",
        "Top-5",
        "ms",
        "@1",
        "p95",
        "@1",
    ]


def test_engines_stand_beside_onnx_files_in_one_table(classifier, data, host_as_tensorrt):
    standin = host_as_tensorrt()
    engine = classifier.with_suffix(".engine")
    shutil.copy(classifier, engine)
    result = run(classifier, engine, "--data", data, "--batch", 2, "--json")
    assert result.exit_code == 0, result.stderr
    onnx_row, engine_row = json.loads(result.stdout)["rows"]
    assert onnx_row["classify"] == engine_row["classify"] == {"top1": 0.5, "top5": 1.0}
    assert [one["batch"] for one in engine_row["latency"]] == [1, 2]
    assert standin.gpu.launched > 10


def test_an_engine_agrees_with_its_onnx_file(classifier, data, host_as_tensorrt):
    host_as_tensorrt()
    shutil.copy(classifier, classifier.with_suffix(".engine"))
    options = ("--reference", classifier, "--video", data / "left" / "a.png", "--json", "--device", "cuda:1")
    result = run(classifier.with_suffix(".engine"), *options)
    assert json.loads(result.stdout)["rows"][0]["agreement"]["matched90"] == 1


def test_json_is_all_there_is_on_stdout(classifier, data):
    result = run(classifier, classifier, "--data", data, "--json", "--batch", 2)
    assert [row["classify"] for row in json.loads(result.stdout)["rows"]] == [{"top1": 0.5, "top5": 1.0}] * 2


def test_markdown(classifier, data):
    assert run(classifier, "--data", data, "--markdown").stdout.startswith("| model | precision |")


def test_against_a_reference(classifier, data):
    video = data / "left" / "a.png"
    result = run(classifier, "--reference", classifier, "--video", video, "--reference-preprocess", "exact", "--json")
    assert json.loads(result.stdout)["rows"][0]["agreement"]["matched90"] == 1


@pytest.mark.parametrize(
    "options", [[], ["--data", "x", "--reference", "y"], ["--reference", "y"], ["--data", "x", "--video", "z"]]
)
def test_either_data_or_a_reference_with_video(classifier, options):
    result = run(classifier, *options)
    assert result.exit_code == 2
    assert "give either --data DIR, or --reference MODEL and --video FILE" in result.stderr


def test_a_missing_model_is_one_line(tmp_path, data):
    result = run(tmp_path / "gone.onnx", "--data", data)
    assert result.exit_code == 1
    assert result.stderr.splitlines()[-1].endswith("gone.onnx: no such model file; check the path of the model")


def test_a_place_for_drawings_is_checked_first(classifier, data, tmp_path):
    (tmp_path / "file").touch()
    result = run(classifier, "--data", data, "--draw", tmp_path / "file" / "x")
    assert result.exit_code == 1
    assert result.stderr.splitlines() == [
        f"streamd: --draw {tmp_path}/file/x: {tmp_path}/file is no folder; name another folder"
    ]
