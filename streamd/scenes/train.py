"""Trains the bundled detector from nothing: render the scenes, fit, score on the held-out split, export.

    CUBLAS_WORKSPACE_CONFIG=:4096:8 python -m streamd.scenes.train --out models

On a virtual machine that is slow to give memory, MALLOC_MMAP_THRESHOLD_=2000000000 MALLOC_TRIM_THRESHOLD_=4000000000
keep what the rendering frees.

The same seed on the same device gives the same weights: deterministic kernels only, one seeded generator for all that
is random, pictures that depend on their seeds alone. Two short runs on an H200 wrote the same street.pt and
street.onnx, byte for byte. The defaults are what the bundled model was trained with.
"""

import argparse
import json
import math
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from streamd.scenes.augment import plain, trimmed, varied
from streamd.scenes.export import export
from streamd.scenes.harvest import SIZE, Harvest, kept
from streamd.scenes.loss import Targets, loss
from streamd.scenes.network import Detector, anchors
from streamd.scenes.scene import CLASSES
from streamd.scenes.verdict import verdict


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that decides the weights, beside the device and the library."""

    scenes: int = 2600
    frames: int = 7  # of each scene
    epochs: int = 150
    batch: int = 128
    rate: float = 3e-3
    decay: float = 0.03
    warm_steps: int = 400
    closing: float = 0.2  # share of the epochs, the last, on whole letterboxed pictures
    seed: int = 1


class Average:
    """An exponential moving average of the weights, slow once it has settled (Polyak and Juditsky 1992)."""

    def __init__(self, detector: Detector) -> None:
        self.detector = Detector(len(CLASSES)).to(next(detector.parameters()).device)
        self.detector.load_state_dict(detector.state_dict())
        self._ours, self._theirs = (
            [v for v in d.state_dict().values() if v.dtype.is_floating_point] for d in (self.detector, detector)
        )
        self._steps = 0

    def update(self) -> None:
        """Take in the weights after one step."""
        self._steps += 1
        keep = 0.999 * (1 - math.exp(-self._steps / 500))
        torch._foreach_mul_(self._ours, keep)
        torch._foreach_add_(self._ours, self._theirs, alpha=1 - keep)


def train(
    recipe: Recipe, crop: Harvest, held: Harvest, device: torch.device, out: Path
) -> tuple[Detector, list[dict[str, Any]]]:
    """Return the averaged detector and one line of log an epoch; `out` keeps the weights at each scoring."""
    torch.manual_seed(recipe.seed)
    random = torch.Generator().manual_seed(recipe.seed)
    detector = Detector(len(CLASSES)).to(device, memory_format=torch.channels_last)
    average, optimizer = Average(detector), _optimizer(detector, recipe)
    pictures, boxes, kinds = (torch.from_numpy(part).to(device) for part in (crop.pictures, crop.boxes, crop.kinds))
    points, strides = anchors(SIZE, device)
    steps = [_steps(recipe, epoch, len(pictures)) for epoch in range(recipe.epochs)]
    done, log = 0, []
    for epoch in range(recipe.epochs):
        begun = time.monotonic()
        order = torch.randperm(len(pictures), generator=random)
        terms = torch.zeros(3, device=device)
        detector.train()
        for rows in order.split(_taken(recipe, epoch))[: steps[epoch]]:
            for group in optimizer.param_groups:
                group["lr"] = _rate(recipe, done, sum(steps))
            chosen = rows.to(device)
            canvas, targets = _batch(recipe, epoch, (pictures[chosen], boxes[chosen], kinds[chosen]), random)
            with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
                logits = detector(canvas.contiguous(memory_format=torch.channels_last))
            whole, parts = loss(logits, targets, points, strides)
            optimizer.zero_grad(set_to_none=True)
            whole.backward()
            torch.nn.utils.clip_grad_norm_(detector.parameters(), 10.0)
            optimizer.step()
            average.update()
            terms += parts
            done += 1
        line: dict[str, Any] = {"epoch": epoch + 1, "loss": [round(v, 4) for v in (terms / steps[epoch]).tolist()]}
        seconds = round(time.monotonic() - begun, 1)
        if epoch + 1 == recipe.epochs or (epoch + 1) % max(recipe.epochs // 5, 1) == 0:
            line |= verdict(average.detector, held, device)
            torch.save(average.detector.state_dict(), out / "street.pt")
        log.append(line)
        print(json.dumps(line | {"seconds": seconds}), flush=True)  # noqa: T201 # the command's output
    return average.detector, log


def _taken(recipe: Recipe, epoch: int) -> int:
    """Return how many pictures a step takes: two to a canvas until the closing epochs."""
    return recipe.batch * (2 if epoch < recipe.epochs * (1 - recipe.closing) else 1)


def _steps(recipe: Recipe, epoch: int, pictures: int) -> int:
    return max(pictures // _taken(recipe, epoch) // (1 if _taken(recipe, epoch) > recipe.batch else 2), 1)


def _batch(
    recipe: Recipe, epoch: int, rows: tuple[torch.Tensor, torch.Tensor, torch.Tensor], random: torch.Generator
) -> tuple[torch.Tensor, Targets]:
    if _taken(recipe, epoch) > recipe.batch:
        return varied(*rows, SIZE, random, stacked=True)
    if epoch % 2:
        return varied(*rows, SIZE, random, stacked=False)
    canvas, targets = plain(*rows, SIZE)
    return canvas, trimmed(targets)


def _rate(recipe: Recipe, done: int, steps: int) -> float:
    """Return the learning rate: a linear rise, then half a cosine down to a hundredth."""
    warm = min(recipe.warm_steps, steps // 5)
    if done < warm:
        return recipe.rate * (done + 1) / warm
    return recipe.rate * (0.01 + 0.99 * (1 + math.cos(math.pi * (done - warm) / max(steps - warm, 1))) / 2)


def _optimizer(detector: Detector, recipe: Recipe) -> torch.optim.AdamW:
    """AdamW; biases and norms do not decay."""
    heavy = [p for p in detector.parameters() if p.ndim > 1]
    light = [p for p in detector.parameters() if p.ndim <= 1]
    return torch.optim.AdamW(
        [{"params": heavy, "weight_decay": recipe.decay}, {"params": light, "weight_decay": 0.0}], lr=recipe.rate
    )


def main() -> None:
    """Train as the command line says and write `street.onnx` and `street.json`."""
    default = Recipe()
    parser = argparse.ArgumentParser(description="Train the bundled street detector.")
    parser.add_argument("--out", type=Path, default=Path("models"))
    parser.add_argument("--cache", type=Path, help="keep the rendered pictures here")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--held", type=int, default=500, help="pictures of the held-out split to score on")
    for name in ("scenes", "frames", "epochs", "batch", "seed"):
        parser.add_argument(f"--{name}", type=int, default=getattr(default, name))
    options = parser.parse_args()
    recipe = Recipe(**{name: getattr(options, name) for name in ("scenes", "frames", "epochs", "batch", "seed")})
    options.out.mkdir(parents=True, exist_ok=True)
    cache = options.cache or options.out
    begun = time.monotonic()
    crop = kept(cache / f"train-{recipe.scenes}x{recipe.frames}.npz", "train", recipe.scenes, recipe.frames)
    held = kept(cache / f"held-{options.held}.npz", "held-out", options.held, 1, first_seed=500_000)
    rendered = time.monotonic() - begun
    device = _deterministic(options.device)
    detector, log = train(recipe, crop, held, device, options.out)
    training = {
        "recipe": asdict(recipe), "device": torch.cuda.get_device_name() if device.type == "cuda" else "cpu",
        "torch": str(torch.__version__), "parameters": sum(p.numel() for p in detector.parameters()),
        "pictures": len(crop.pictures), "held_out": log[-1], "held_out_pictures": len(held.pictures),
        "seconds": {"rendering": round(rendered), "all": round(time.monotonic() - begun)}, "log": log,
    }  # fmt: skip
    print(export(detector, options.out / "street.onnx", training))  # noqa: T201 # the command's output


def _deterministic(name: str) -> torch.device:
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = False
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    return torch.device(name)


if __name__ == "__main__":
    main()
