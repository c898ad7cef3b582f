"""What a model's raw outputs mean: one head a layout. A new head is one file, one line here, one test."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy.typing as npt

from streamd.frames import Detections
from streamd.letterbox import Letterbox
from streamd.manifest import HeadName
from streamd.postprocess.classify import Classify
from streamd.postprocess.device import DeviceHead, readable
from streamd.postprocess.efficient_nms import EfficientNMS
from streamd.postprocess.end2end import End2End
from streamd.postprocess.obb import OBB
from streamd.postprocess.unbuilt import unbuilt
from streamd.postprocess.yolov3 import YOLOv3
from streamd.postprocess.yolov5 import YOLOv5
from streamd.postprocess.yolov8 import YOLOv8
from streamd.postprocess.yolox import YOLOX


class Head(Protocol):
    """Turns one run's outputs into the detections of each of its frames."""

    def __call__(self, outputs: Sequence[npt.NDArray[Any]], geometries: Sequence[Letterbox]) -> list[Detections]:
        """Return one `Detections` a geometry, from that row of every output, in source pixels.

        No geometries at all is a way to check the shapes of a first run. Nothing returned refers to `outputs`.

        Raises:
            ModelError: an output has a shape, or a class, that the manifest does not allow.
        """


# Made by HEADS[name](manifest, confidence=, iou=, max_detections=, classes=); what is left out is as `Options` says.
HEADS: dict[HeadName, Callable[..., Head]] = {
    "yolov3": YOLOv3,
    "yolov5": YOLOv5,
    "yolov6": YOLOv5,  # exports the same rows, with an objectness that is always 1
    "yolov8": YOLOv8,
    "yolox": YOLOX,
    "end2end": End2End,
    "efficient_nms": EfficientNMS,
    "classify": Classify,
    "rtdetr": unbuilt,
    "obb": OBB,
}

__all__ = ["HEADS", "DeviceHead", "Head", "readable"]
