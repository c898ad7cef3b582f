"""Calibrate, quantize, lint and score a real classifier through the commands."""

import itertools
import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import onnxruntime as ort
import pytest
from click.testing import CliRunner

from streamd.cli import calibrate, lint, quantize
from streamd.cli import eval as evaluate

DIGITS = Path(__file__).parents[1] / "data" / "digits.onnx"


@pytest.fixture
def folder(tmp_path):
    """The digits model, and strokes sorted by what it takes them for."""
    for file in (DIGITS, DIGITS.with_suffix(".json")):
        shutil.copy(file, tmp_path)
    random = np.random.default_rng(5)
    session = ort.InferenceSession(str(DIGITS))
    for i in range(60):
        picture = np.zeros((8, 8), np.uint8)
        corners = [tuple(map(int, corner)) for corner in random.integers(1, 7, (4, 2))]
        for one, other in itertools.pairwise(corners):
            cv2.line(picture, one, other, 255)
        (answer,) = session.run(None, {"images": picture[None, None].astype(np.float32) / 255})
        name = tmp_path / "data" / str(answer.argmax()) / f"{i}.png"
        name.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(name), picture)
    return tmp_path


def invoke(module, *arguments):
    result = CliRunner().invoke(module.command, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output + repr(result.exception)
    return result.stdout


def test_a_classifier_goes_through_all_commands_and_keeps_its_answers(folder):
    model = folder / "digits.onnx"
    invoke(calibrate, model, "--data", folder / "data", "--out", folder / "seen")
    out = invoke(quantize, model, "--calibration", folder / "seen", "--method", "mse", "--out", folder / "int8")
    written = [folder / "int8" / f"digits.{kind}.onnx" for kind in ("trt", "cpu")]
    assert all(str(path) in out for path in written)
    for path in written:
        assert "0 errors, 0 warnings" in invoke(lint, path)
    rows = json.loads(invoke(evaluate, model, *written, "--data", folder / "data", "--json"))["rows"]
    scores = [row["classify"]["top1"] for row in rows]
    assert scores[0] == 1
    assert min(scores) > 0.9
