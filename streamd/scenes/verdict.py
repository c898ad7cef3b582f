"""Scores the detector while it is trained: boxes out of logits, suppression, and COCO's mean average precision."""

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from streamd.scenes.augment import plain
from streamd.scenes.harvest import SIZE, Harvest
from streamd.scenes.network import REG_MAX, Detector, anchors, boxes
from streamd.scenes.scene import CLASSES

_LEAST, _OVERLAP, _MOST = 0.001, 0.7, 300  # score, IoU that suppresses, detections of a picture
F32 = npt.NDArray[np.float32]


def verdict(detector: Detector, crop: Harvest, device: torch.device, batch: int = 100) -> dict[str, float]:
    """Return mAP50-95, mAP50 and each class's AP50-95 on `crop`."""
    detector.eval()
    points, strides = anchors(SIZE, device)
    found: list[dict[str, Any]] = []
    for first in range(0, len(crop.pictures), batch):
        pictures = torch.from_numpy(crop.pictures[first : first + batch]).to(device)
        rows = slice(first, first + batch)
        canvas, _ = plain(
            pictures, torch.from_numpy(crop.boxes[rows]).to(device), torch.from_numpy(crop.kinds[rows]).to(device), SIZE
        )
        with torch.no_grad():
            sides, kinds = detector(canvas.contiguous(memory_format=torch.channels_last))
        sides = sides.transpose(1, 2).reshape(len(canvas), -1, 4, REG_MAX)
        placed, scores = boxes(sides, points, strides), kinds.transpose(1, 2).float().sigmoid()
        found += [entry for i in range(len(canvas)) for entry in _detections(placed[i], scores[i], first + i + 1)]
    return _score(crop, found)


def _detections(placed: Tensor, scores: Tensor, image: int) -> list[dict[str, Any]]:
    cells, kinds = torch.nonzero(scores > _LEAST, as_tuple=True)
    values = scores[cells, kinds]
    best = values.argsort(descending=True)[:1000]
    frame, value, kind = placed[cells[best]].cpu().numpy(), values[best].cpu().numpy(), kinds[best].cpu().numpy()
    kept = suppress(frame + kind[:, None].astype(np.float32) * np.float32(2000))[:_MOST]
    entries = []
    for i in kept:
        x1, y1, x2, y2 = frame[i].tolist()
        bbox = [x1, y1, x2 - x1, y2 - y1]
        entries.append({"image_id": image, "category_id": int(kind[i]), "score": float(value[i]), "bbox": bbox})
    return entries


def suppress(frame: F32) -> list[int]:
    """Return which boxes (N, 4), best first, overlap no better one by more than `_OVERLAP`."""
    size = np.maximum(frame[:, 2:] - frame[:, :2], 0)
    area = size[:, 0] * size[:, 1]
    low, high = np.maximum(frame[:, None, :2], frame[None, :, :2]), np.minimum(frame[:, None, 2:], frame[None, :, 2:])
    both = np.maximum(high - low, 0).prod(2)
    clash = both > _OVERLAP * (area[:, None] + area[None] - both)
    alive = np.ones(len(frame), bool)
    kept = []
    for i in range(len(frame)):
        if alive[i]:
            kept.append(i)
            alive &= ~clash[i]
    return kept


def _score(crop: Harvest, found: list[dict[str, Any]]) -> dict[str, float]:
    from faster_coco_eval import COCO, COCOeval_faster  # type: ignore[import-untyped] # noqa: PLC0415

    top = (SIZE - crop.pictures.shape[1]) // 2
    truths: list[dict[str, Any]] = []
    for image, (frames, kinds) in enumerate(zip(crop.boxes, crop.kinds, strict=True), start=1):
        for (x1, y1, x2, y2), kind in zip(frames[kinds >= 0].tolist(), kinds[kinds >= 0].tolist(), strict=True):
            bbox = [x1, y1 + top, x2 - x1, y2 - y1]
            truths.append(
                {
                    "id": len(truths) + 1,
                    "image_id": image,
                    "category_id": kind,
                    "bbox": bbox,
                    "area": bbox[2] * bbox[3],
                    "iscrowd": 0,
                }
            )
    images = [{"id": i + 1, "width": SIZE, "height": SIZE} for i in range(len(crop.pictures))]
    categories = [{"id": i, "name": label} for i, label in enumerate(CLASSES)]
    if not found:
        return {"mAP50-95": 0.0, "mAP50": 0.0}
    truth = COCO({"images": images, "annotations": truths, "categories": categories, "info": {}})
    judge = COCOeval_faster(truth, truth.loadRes(found), "bbox", print_function=lambda *_: None)
    judge.evaluate()
    judge.accumulate()
    precision = judge.eval["precision"]  # IoU, recall, class, area, most
    each = {label: _mean(precision[:, :, i, 0, -1]) for i, label in enumerate(CLASSES)}
    return {"mAP50-95": _mean(precision[..., 0, -1]), "mAP50": _mean(precision[0, ..., 0, -1]), **each}


def _mean(precision: npt.NDArray[np.float64]) -> float:
    known = precision[precision > -1]
    return round(float(known.mean()), 4) if known.size else 0.0
