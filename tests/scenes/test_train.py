"""The training runs from end to end, and twice alike; only where torch is installed."""

import numpy as np
import onnxruntime
import pytest

torch = pytest.importorskip("torch", reason="the extra `train` is not installed")
pytest.importorskip("faster_coco_eval")
pytest.importorskip("onnx")

from streamd.scenes.export import export  # noqa: E402 - after it is known that torch is there
from streamd.scenes.harvest import MOST, ROWS, SIZE, Harvest  # noqa: E402
from streamd.scenes.train import Recipe, train  # noqa: E402


def crop(count):
    random = np.random.default_rng(1)
    boxes, kinds = np.zeros((count, MOST, 4), np.float32), np.full((count, MOST), -1, np.int8)
    boxes[:, 0], kinds[:, 0] = (40, 30, 200, 150), 2
    return Harvest(random.integers(0, 255, (count, ROWS, SIZE, 3), np.uint8), boxes, kinds)


def trained(out):
    return train(Recipe(epochs=2, batch=2, closing=0.5), crop(4), crop(1), torch.device("cpu"), out)


def test_two_trainings_are_alike_and_can_be_served(tmp_path):
    torch.set_num_threads(1)
    (first, log), (second, again) = trained(tmp_path), trained(tmp_path)
    assert log == again
    assert all(
        torch.equal(a, b) for a, b in zip(first.state_dict().values(), second.state_dict().values(), strict=True)
    )
    export(first, tmp_path / "street.onnx", {})
    session = onnxruntime.InferenceSession(str(tmp_path / "street.onnx"), providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"images": np.zeros((2, 3, SIZE, SIZE), np.float32)})
    assert found.shape == (2, 8, 3549)
