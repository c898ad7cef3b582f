import json
from xml.etree import ElementTree

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from streamd import cli
from streamd.cli import sensitivity


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


@pytest.mark.parametrize("arguments", [(), ("--data", "x", "--mode", "none"), ("--data", "x", "--frames", 0)])
def test_a_wrong_call_is_a_usage_error(digits, arguments):
    invoke(digits, *arguments, code=2)
