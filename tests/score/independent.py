"""mAP of the bundled model with nothing of streamd: a second opinion on `streamd eval`, run by hand.

    streamd scenes --out /tmp/held-out --images 500
    python tests/score/independent.py streamd/assets/street.onnx /tmp/held-out

For a YOLOv8-like ONNX with a square input, labels in the order of the categories, confidence from 0.001, the best
class of each cell, NMS at an IoU of 0.7 within a class, at most 300 boxes a picture.
"""

import json
import sys
from pathlib import Path

import cv2
import numpy as np
import onnxruntime
from faster_coco_eval import COCO, COCOeval_faster

LEAST, OVERLAP, MOST = 0.001, 0.7, 300


def found(session, picture):
    name, (_, _, size, _) = session.get_inputs()[0].name, session.get_inputs()[0].shape
    height, width = picture.shape[:2]
    scale = min(size / width, size / height)
    w, h = round(width * scale), round(height * scale)
    left, top = (size - w) // 2, (size - h) // 2
    canvas = np.full((size, size, 3), 114, np.uint8)
    canvas[top : top + h, left : left + w] = cv2.resize(picture, (w, h), interpolation=cv2.INTER_LINEAR)
    tensor = canvas[None, :, :, ::-1].transpose(0, 3, 1, 2).astype(np.float32) / 255
    (rows,) = session.run(None, {name: tensor})[0]
    cells = np.flatnonzero(rows[4:].max(0) > LEAST)
    kinds = rows[4:, cells].argmax(0)
    scores, (x, y, w, h) = rows[4 + kinds, cells], rows[:4, cells]
    boxes = np.stack(((x - w / 2 - left) / scale, (y - h / 2 - top) / scale, w / scale, h / scale), 1)
    kept = np.array(cv2.dnn.NMSBoxesBatched(boxes.tolist(), scores.tolist(), kinds.tolist(), LEAST, OVERLAP), int)
    for i in kept[np.argsort(-scores[kept])][:MOST]:
        x1, y1 = np.clip(boxes[i, :2], 0, (width, height))
        x2, y2 = np.clip(boxes[i, :2] + boxes[i, 2:], 0, (width, height))
        yield int(kinds[i]), float(scores[i]), [float(x1), float(y1), float(x2 - x1), float(y2 - y1)]


def score(model, folder):
    """Return mAP50-95 and mAP50."""
    session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    truth = json.loads((Path(folder) / "annotations.json").read_text())
    rows = [
        {"image_id": image["id"], "category_id": truth["categories"][kind]["id"], "score": value, "bbox": box}
        for image in truth["images"]
        for kind, value, box in found(session, cv2.imread(str(Path(folder) / image["file_name"])))
    ]
    coco = COCO(truth)
    judge = COCOeval_faster(coco, coco.loadRes(rows), "bbox", print_function=lambda *_: None)
    judge.evaluate()
    judge.accumulate()
    judge.summarize()
    return float(judge.stats[0]), float(judge.stats[1])


if __name__ == "__main__":
    print("mAP50-95 {:.4f}  mAP50 {:.4f}".format(*score(sys.argv[1], sys.argv[2])))  # noqa: T201 - its output
