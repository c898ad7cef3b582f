"""The bundled model scores the same with nothing of streamd."""

import importlib.util
from pathlib import Path

import pytest

from streamd import bundled
from streamd.scenes import write_dataset
from streamd.score import dataset, evaluate
from streamd.score.served import Options

pytest.importorskip("faster_coco_eval")


def test_map_is_that_of_an_independent_script(tmp_path):
    write_dataset(tmp_path, split="held-out", images=16, seed=5, width=640, height=360)
    spec = importlib.util.spec_from_file_location("independent", Path(__file__).parent / "independent.py")
    independent = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(independent)
    model = bundled.folder("assets") / "street.onnx"
    (row,) = evaluate.evaluate([model], dataset.read(tmp_path), Options(1, 1, "host", 0.25))
    assert (row.detect.map50_95, row.detect.map50) == pytest.approx(independent.score(model, tmp_path), abs=0.005)
