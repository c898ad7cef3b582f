"""Trains the digits classifier of the tests and writes `tests/data/digits.onnx` with its manifest.

    python tests/make_digits.py

Real data: the 1797 handwritten digits (8x8) that come with scikit-learn; every fifth is held out. The network has a
convolution, ReLU, max-pooling, a residual sum and a fully connected layer: another kind than the detector.
"""

import hashlib
import warnings
from pathlib import Path

import numpy as np
import onnx
import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn import functional

from streamd import manifest

OUT = Path(__file__).parent / "data" / "digits.onnx"
EPOCHS, BATCH, SEED = 60, 64, 1


class Digits(nn.Module):
    """8x8 pictures (N, 1, 8, 8) in 0..1 to logits (N, 10)."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, 24, 3, padding=1)
        self.one, self.two = nn.Conv2d(24, 24, 3, padding=1), nn.Conv2d(24, 24, 3, padding=1)
        self.wide = nn.Conv2d(24, 48, 3, padding=1)
        self.out = nn.Linear(48 * 2 * 2, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.max_pool2d(functional.relu(self.first(x)), 2)
        x = functional.relu(x + self.two(functional.relu(self.one(x))))
        x = functional.max_pool2d(functional.relu(self.wide(x)), 2)
        return self.out(x.reshape(-1, 48 * 2 * 2))


def split() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return pictures and labels to train on, then those held out."""
    digits = load_digits()
    pictures = torch.tensor(digits.images[:, None] / 16, dtype=torch.float32)
    labels = torch.tensor(digits.target)
    held = torch.arange(len(labels)) % 5 == 4
    return pictures[~held], labels[~held], pictures[held], labels[held]


def train(pictures: Tensor, labels: Tensor) -> Digits:
    torch.manual_seed(SEED)
    torch.use_deterministic_algorithms(True)
    network = Digits()
    optimizer = torch.optim.AdamW(network.parameters(), lr=2e-3, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 6e-3, total_steps=EPOCHS * -(-len(labels) // BATCH))
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(labels)).split(BATCH):
            shift = tuple(torch.randint(-1, 2, (2,)).tolist())
            moved = torch.roll(pictures[rows], shift, (2, 3))
            optimizer.zero_grad()
            functional.cross_entropy(network(moved), labels[rows], label_smoothing=0.05).backward()
            optimizer.step()
            schedule.step()
    return network.eval()


def export(network: Digits, top1: float) -> None:
    OUT.parent.mkdir(parents=True, exist_ok=True)
    axes = {"images": {0: "batch"}, "logits": {0: "batch"}}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network, (torch.zeros(1, 1, 8, 8),), str(OUT), input_names=["images"], output_names=["logits"],
            opset_version=19, dynamic_axes=axes, dynamo=False,
        )  # fmt: skip
    model = onnx.load(str(OUT))
    names = {i: str(i) for i in range(10)}
    onnx.helper.set_model_props(model, {"task": "classify", "names": str(names), "imgsz": "[8, 8]"})
    model.producer_name, model.producer_version = "streamd", "1"
    onnx.checker.check_model(model)
    onnx.save(model, str(OUT))
    described = manifest.Manifest(
        head="classify",
        labels=tuple(names.values()),
        input=manifest.Input(name="images", width=8, height=8, colour="gray", fit="stretch"),
        outputs=(manifest.Output("logits", (-1, 10)),),
        sha256=hashlib.sha256(OUT.read_bytes()).hexdigest(),
        training={"data": "scikit-learn digits, every fifth held out", "top1": top1, "seed": SEED, "epochs": EPOCHS},
    )
    manifest.save(described, OUT)


def main() -> None:
    pictures, labels, held, answers = split()
    network = train(pictures, labels)
    with torch.no_grad():
        top1 = float((network(held).argmax(1) == answers).float().mean())
    export(network, round(top1, 4))
    parameters = sum(p.numel() for p in network.parameters())
    print(f"{parameters} parameters, Top-1 {top1:.4f} on {len(np.asarray(answers))} held-out digits")  # noqa: T201 # the command's output


if __name__ == "__main__":
    main()
