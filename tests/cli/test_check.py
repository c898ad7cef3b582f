import json

import pytest
from click.testing import CliRunner

from streamd.cli.check import command

VALID = "models: {street: {path: street.onnx}}\ncameras: {front: {uri: 'rtsp://h/s', model: street}}\n"


@pytest.fixture
def check(tmp_path):
    """Run `streamd check` on a text."""
    (tmp_path / "street.onnx").write_bytes(b"model")

    def check(text, *options, env=None):
        (tmp_path / "cams.yaml").write_text(text)
        return CliRunner().invoke(command, [str(tmp_path / "cams.yaml"), *options], env=env)

    return check


def test_a_valid_file_exits_0_with_one_line(check, tmp_path):
    result = check(VALID)
    assert (result.exit_code, result.output) == (0, f"{tmp_path}/cams.yaml: valid: 1 camera, 1 model\n")


def test_an_invalid_file_exits_1_with_one_line_a_finding(check):
    result = check(VALID.replace("rtsp:", "rstp:").replace("{models", "{modles") + "logg: {}\n")
    lines = result.output.splitlines()
    assert result.exit_code == 1
    assert [line.partition("cams.yaml:")[2].split(": ")[1] for line in lines[:2]] == ["cameras.front.uri", "logg"]
    assert lines[2].endswith("not valid: 2 errors")


def test_a_warning_alone_is_valid(check):
    result = check(VALID.replace("{street:", "{other: {path: street.onnx}, street:"))
    assert result.exit_code == 0
    assert "warning: no camera uses this model" in result.output


@pytest.mark.parametrize("name", ["nowhere.yaml", "."])
def test_what_cannot_be_read_exits_2(tmp_path, name):
    result = CliRunner().invoke(command, [str(tmp_path / name)])
    assert result.exit_code == 2
    assert len(result.output.splitlines()) == 1


def test_variables_come_from_the_environment(check):
    assert check(VALID.replace("//h/", "//${CAM}/"), env={"CAM": "h"}).exit_code == 0


@pytest.mark.parametrize(("text", "valid"), [(VALID, True), ("", False), ("a: [", False), ("a: 1", False)])
def test_json_is_one_object(check, text, valid):
    result = check(text, "--json")
    said = json.loads(result.output)
    assert said["valid"] is valid
    assert result.exit_code == (0 if valid else 1)
    assert all(set(each) == {"file", "line", "column", "key", "message", "severity"} for each in said["findings"])
    assert bool(said["findings"]) is not valid
