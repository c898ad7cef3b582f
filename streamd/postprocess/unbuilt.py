"""Stands in for the heads that a manifest may name and this version cannot read."""

from typing import NoReturn, Unpack

from streamd.errors import ModelError
from streamd.manifest import Manifest
from streamd.postprocess.select import Options


def unbuilt(manifest: Manifest, **_options: Unpack[Options]) -> NoReturn:
    """Refuse the manifest.

    Raises:
        ModelError: always.
    """
    raise ModelError(
        f"head {manifest.head!r} is not in this version of streamd",
        mend="export the model with one of yolov3, yolov5, yolov6, yolov8, yolox, end2end, efficient_nms, "
        "classify, obb",
    )
