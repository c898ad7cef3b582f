import json
from xml.etree import ElementTree

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from streamd import cli
from streamd.cli import sensitivity
from streamd.int8.sensitivity import metrics, study
from streamd.int8.sensitivity.parts import ANSWERS


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The digits model, which is small, and a folder of pictures for each of two classes."""
    folder = tmp_path_factory.mktemp("sensitivity")
    random = np.random.default_rng(0)
    for kind in ("3", "8"):
        for i in range(4):
            path = folder / "labelled" / kind / f"{i}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(path), random.integers(0, 255, (8, 8), np.uint8))
    return folder


@pytest.fixture
def digits(request):
    return request.path.parents[1] / "data" / "digits.onnx"


def invoke(*arguments, code=0):
    result = CliRunner().invoke(sensitivity.command, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output + repr(result.exception)
    return result


def test_a_table_json_and_a_chart_of_all_modes_are_made(folder, digits, tmp_path):
    files = ("--json", tmp_path / "a.json", "--chart", tmp_path / "a.svg")
    out = invoke(digits, "--data", folder / "labelled", "--frames", 3, "--mode", "all", *files).stdout
    assert "Top-1" in out
    read = json.loads((tmp_path / "a.json").read_text())
    assert (read["pictures"], read["outcome"], read["v"]) == (3, "Top-1", 1)
    assert all(set(group["values"]) == {"alone", "all-but", "one-by-one"} for group in read["groups"])
    assert all(group["name"] in out for group in read["groups"])
    ElementTree.parse(tmp_path / "a.svg")
    assert {path.name for path in tmp_path.iterdir()} == {"a.json", "a.svg"}


def test_without_labels_agreement_is_measured(folder, digits):
    out = invoke(digits, "--data", folder / "labelled" / "3", "--frames", 2).stdout
    assert "agreement 1.0000 in float, 2 pictures" in out


def test_a_place_that_cannot_be_written_is_told_before_the_work(folder, digits, tmp_path):
    result = CliRunner().invoke(
        cli.group,
        ["sensitivity", str(digits), "--data", str(folder / "labelled"), "--json", str(tmp_path / "no" / "a.json")],
    )
    assert result.exit_code == 1
    assert result.stderr.startswith("streamd: --json ")
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--data", "x", "--mode", "none"),
        ("--data", "x", "--frames", 0),
        ("--data", "x", "--confidence", "nan"),
    ],
)
def test_a_wrong_call_is_a_usage_error(digits, arguments):
    invoke(digits, *arguments, code=2)


@pytest.mark.parametrize(
    "places",
    [
        {"--json": "net.onnx"},
        {"--json": "net.json"},
        {"--chart": "net.json"},
        {"--json": "seen.npz", "--calibration": "seen"},
        {"--json": "a", "--chart": "./a"},
    ],
    ids=str,
)
def test_nothing_that_is_read_is_replaced(folder, digits, tmp_path, monkeypatch, places):
    """Least of all the model's manifest, which is called like its table would be."""
    for name in ("net.onnx", "net.json"):
        (tmp_path / name).write_bytes((digits.parent / name.replace("net", "digits")).read_bytes())
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    monkeypatch.chdir(tmp_path)
    words = [word for pair in places.items() for word in pair]
    result = CliRunner().invoke(cli.group, ["sensitivity", "net.onnx", "--data", str(folder / "labelled"), *words])
    assert result.exit_code == 1
    assert "is another file of this work; name a file of its own" in result.stderr
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_one_picture_is_measured_on_and_it_is_told_that_it_was_calibrated_on(folder, digits):
    result = invoke(digits, "--data", folder / "labelled" / "3" / "0.png")
    assert "1 pictures" in result.stdout
    assert "note: calibrated on the pictures that are measured on" in result.stderr


def test_a_data_set_that_is_measured_on_whole_is_told(folder, digits):
    told = "note: calibrated on the pictures that are measured on"
    assert told in invoke(digits, "--data", folder / "labelled", "--frames", 8).stderr
    assert told not in invoke(digits, "--data", folder / "labelled", "--frames", 4).stderr


def test_a_part_of_a_data_set_is_that_part(folder, digits):
    out = invoke(digits, "--data", folder / "labelled", "--part", "0:0.5").stdout
    assert "4 pictures" in out


def test_where_nothing_can_be_lost_it_is_told(folder, digits):
    result = invoke(digits, "--data", folder / "labelled" / "3", "--confidence", 1)
    assert (
        "note: the float model finds nothing on these pictures with a confidence of 1: the drop tells" in result.stderr
    )


def test_a_head_whose_scores_are_not_known_is_sorted_by_what_there_is(folder, digits, monkeypatch):
    monkeypatch.setattr(metrics, "divergence", None)
    monkeypatch.setattr(study.Study, "_reference", unsplit(study.Study._reference))
    result = invoke(digits, "--data", folder / "labelled" / "3", "--sort", "kl")
    assert "has no kl: sorted by sqnr" in result.stderr


def unsplit(reference):
    def instead(self, manifest):
        parts, answers, found = reference(self, manifest)
        parts.scores = {}
        return parts, [{ANSWERS: one["scores"]} for one in answers], found

    return instead
