import json

import pytest
from click.testing import CliRunner

from streamd import doctor
from streamd.checkup import Part
from streamd.cli import group

CONFIG = "models: {a: {path: m.onnx, device: %s}}\ncameras: {front: {uri: scenes, model: a}}\n"
FOUND = [
    *(Part(name, "ok", "there") for name in doctor.needs(None)),
    Part("open files", "ok", "1024 at most"),
    Part("driver", "missing", "there is no libcuda.so.1", "install it"),
    Part("systemd", "missing", "not booted with it"),
]


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run `streamd doctor` on a machine with the base alone, save what is given instead."""
    (tmp_path / "m.onnx").write_bytes(b"")

    def run(*options, device=None, instead=()):
        names = {part.name for part in instead}
        found = [*instead, *(part for part in FOUND if part.name not in names)]
        monkeypatch.setattr(doctor, "survey", lambda settings, environment: iter(found))
        file = tmp_path / "cams.yaml"
        if device:
            file.write_text(CONFIG % device)
        return CliRunner().invoke(group, ["doctor", *options, *([str(file)] if device else [])])

    return run


def test_a_base_installation_passes_whatever_else_is_missing(run):
    result = run()
    assert result.exit_code == 0
    assert "ok       PyAV               there\n" in result.output
    assert "missing  driver             there is no libcuda.so.1; install it\n" in result.output
    assert "missing  systemd            not booted with it\n" in result.output
    assert result.output.endswith("all that streamd needs is there\n")


def test_a_base_that_is_broken_fails(run):
    result = run(instead=[Part("OpenCV", "broken", "libGL.so.1: cannot open", "pip install it")])
    assert result.exit_code == 1
    assert "libGL.so.1: cannot open (needed by streamd); pip install it\n" in result.output
    assert result.output.endswith("streamd lacks OpenCV\n")


def test_a_configuration_that_needs_no_more_passes(run):
    assert run(device="cpu").exit_code == 0


def test_a_configuration_that_needs_a_gpu_fails_without_one(run):
    result = run(device="cuda:0")
    assert result.exit_code == 1
    assert "there is no libcuda.so.1 (needed by models.a); install it" in result.output
    assert "cams.yaml lacks driver (needed by models.a), cuda:0 (needed by models.a)" in result.output


def test_a_configuration_that_is_not_valid_is_one_line(run):
    result = run(device="gpu")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "no device is called 'gpu'" in result.stderr


def test_json_is_one_object(run):
    result = run("--json", device="cuda:0")
    said = json.loads(result.output)
    assert result.exit_code == 1
    assert said["ok"] is False and said["config"].endswith("cams.yaml")
    assert said["lacking"] == ["driver", "cuda:0", "CuPy", "ONNX Runtime CUDA"]
    assert {part["name"]: part["needed_by"] for part in said["parts"]}["driver"] == "models.a"
    assert all(set(part) == {"name", "state", "said", "mend", "needed_by"} for part in said["parts"])
