"""Writes the trained detector as ONNX with its manifest beside it, in the layout of the YOLOv8 family."""

import hashlib
import warnings
from pathlib import Path
from typing import Any

import torch

from streamd import manifest
from streamd.scenes.harvest import SIZE
from streamd.scenes.network import STRIDES, Detector, Served
from streamd.scenes.scene import CLASSES

OPSET = 19


def export(detector: Detector, path: Path, training: dict[str, Any], size: int = SIZE) -> Path:
    """Write `path` (N, 3, size, size in; N, 4 + classes, A out; any N) and its manifest; return the manifest's path."""
    import onnx  # noqa: PLC0415 # the toolchain extra

    served = Served(detector.cpu(), size).eval()
    sample = torch.zeros(1, 3, size, size)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # sizes turned into constants, which is meant
        torch.onnx.export(
            served, (sample,), str(path), input_names=["images"], output_names=["output0"], opset_version=OPSET,
            dynamic_axes={"images": {0: "batch"}, "output0": {0: "batch"}}, dynamo=False,
        )  # fmt: skip
    model = onnx.load(str(path))
    facts = {
        "names": str(dict(enumerate(CLASSES))), "stride": str(max(STRIDES)), "task": "detect",
        "imgsz": str([size, size]), "description": "streamd street scenes",
    }  # fmt: skip
    onnx.helper.set_model_props(model, facts)
    model.producer_name, model.producer_version = "streamd", "1"
    onnx.checker.check_model(model)
    onnx.save(model, str(path))
    described = manifest.Manifest(
        head="yolov8",
        labels=CLASSES,
        input=manifest.Input(name="images", width=size, height=size),
        outputs=(manifest.Output("output0", (-1, 4 + len(CLASSES), served.cells)),),
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        training=training,
    )
    return manifest.save(described, path)
