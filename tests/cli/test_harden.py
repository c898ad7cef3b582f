import numpy as np
import onnxruntime as ort
import pytest
from click.testing import CliRunner

from streamd import cli, manifest
from streamd.bundled import folder

BUNDLED = folder("assets") / "street.onnx"


def invoke(*arguments):
    return CliRunner().invoke(cli.group, ["harden", *map(str, arguments)])


def test_the_bundled_model_made_hard_answers_the_same_and_has_its_manifest(tmp_path):
    out = tmp_path / "hard.onnx"
    result = invoke(BUNDLED, "--out", out)
    assert result.exit_code == 0, result.output
    assert result.output.count("spread /") == 6
    picture = np.random.default_rng(0).random((1, 3, 416, 416)).astype(np.float32)
    one, other = (ort.InferenceSession(str(path)).run(None, {"images": picture})[0] for path in (BUNDLED, out))
    assert np.allclose(one, other, rtol=1e-4, atol=1e-3)  # of pixels and scores
    before, after = manifest.load(BUNDLED), manifest.load(out)
    assert (after.head, after.labels, after.input) == (before.head, before.labels, before.input)
    assert after.sha256 != before.sha256


@pytest.mark.parametrize("wrong", [("--ratio", "nan"), ("--ratio", 0.5), ("--places", 0), ("--seed", -1)])
def test_a_number_that_means_nothing_is_a_usage_error(tmp_path, wrong):
    assert invoke(BUNDLED, "--out", tmp_path / "hard.onnx", *wrong).exit_code == 2
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--out", "hard.txt"), "is no ONNX file"),
        (("--out", str(BUNDLED)), "is the model itself"),
        (("--out", "x/hard.onnx"), "there is no folder"),
        (("--out", "hard.onnx", "--places", "999"), "can be spread, not 999"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_leaves_nothing(tmp_path, monkeypatch, arguments, told):
    monkeypatch.chdir(tmp_path)
    result = invoke(BUNDLED, *arguments)
    assert result.exit_code == 1
    assert told in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert not list(tmp_path.iterdir())
