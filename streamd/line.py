"""How the three rooms of a model's line are chosen to fit: where its inputs are made, and where its outputs are read.

on the CPU     HostFill ─► run                    ─► head on the outputs
on a GPU       DevicePreprocess ─► enqueue        ─► DeviceHead                    `preprocess: device`
               HybridFill ─► enqueue              ─► DeviceHead                    `preprocess: hybrid`
               HostFill ─► run, which uploads     ─► DeviceHead                    `preprocess: host`
               a head without kernels is read on the host, from a copy of the outputs
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from streamd import config, infer, postprocess, preprocess
from streamd.corridor import Fill, Read
from streamd.errors import ModelError
from streamd.frames import Detections
from streamd.gpu.device import Gpu
from streamd.letterbox import Letterbox
from streamd.manifest import Manifest


@dataclass(frozen=True, slots=True)
class Line:
    """A loaded model and what fills, runs and reads its slots.

    `gpu` is where its cameras' frames are wanted, None for host memory. `steps` tells how long each step of a slot
    that has been read took on the GPU, in seconds.
    """

    backend: infer.Backend
    fill: Fill
    run: Callable[[int, int], None]
    read: Read
    gpu: Gpu | None
    steps: Callable[[int], Mapping[str, float]]


class HostRead:
    """Reads slots by a head on the host."""

    def __init__(self, backend: infer.Backend, head: postprocess.Head) -> None:
        self._backend = backend
        self._head = head

    def __call__(self, slot: int, geometries: Sequence[Letterbox]) -> list[Detections]:
        """Return one `Detections` a geometry."""
        return self._head(self._backend.outputs(slot, len(geometries)), geometries)


def lay(name: str, model: config.Model, base: Path) -> Line:
    """Load the model `name` and choose what fits it.

    Raises:
        ModelError: it cannot be loaded, lacks a class that is asked for, or its input cannot be made as asked.
        DeviceError: there is no such GPU, or it has no memory left.
    """
    backend = infer.load(config.locate(model.path, base), batch=model.batch, threads=model.threads, device=model.device)
    options: dict[str, Any] = {
        "confidence": model.confidence,
        "iou": model.iou,
        "max_detections": model.max_detections,
        "classes": class_ids(name, model, backend.manifest),
    }
    try:
        return (
            _on_device(model, backend, options)
            if isinstance(backend, infer.DeviceBackend)
            else _on_host(model, backend, options)
        )
    except BaseException:
        backend.close()
        raise


def _on_host(model: config.Model, backend: infer.Backend, options: dict[str, Any]) -> Line:
    if model.preprocess not in ("auto", "host"):
        raise ModelError(
            f"{model.path} runs on the CPU, which cannot `preprocess: {model.preprocess}`",
            mend="set preprocess: host, or device: cuda:0",
        )
    head = postprocess.HEADS[backend.manifest.head](backend.manifest, **options)
    fill = preprocess.HostFill(backend.manifest.input, backend.input)
    return Line(backend, fill, backend.run, HostRead(backend, head), None, lambda _: {})


def _on_device(model: config.Model, backend: infer.DeviceBackend, options: dict[str, Any]) -> Line:
    spec, slots = backend.manifest.input, backend.slots
    mode = model.preprocess
    if mode == "auto":
        mode = "host" if spec.dtype == "uint8" else "device"
    at = (slots.gpu, slots.timeline)
    fill: Fill
    if mode == "device":
        fill = preprocess.DevicePreprocess(*at, spec, slots.inputs)
    elif mode == "hybrid":
        fill = preprocess.HybridFill(*at, spec, slots.inputs)
    else:
        fill = preprocess.HostFill(spec, backend.input)
    read: Read
    if postprocess.readable(backend.manifest, slots.outputs):
        read = postprocess.DeviceHead(*at, backend.manifest, slots.outputs, **options)
    else:
        head = postprocess.HEADS[backend.manifest.head](backend.manifest, **options)
        read = HostRead(backend, head)
    structlog.get_logger().info(
        "model on a GPU",
        model=model.path,
        device=f"cuda:{slots.gpu.index}",
        preprocess=mode,
        head="host" if isinstance(read, HostRead) else "device",
    )
    run = backend.run if mode == "host" else backend.enqueue
    return Line(backend, fill, run, read, slots.gpu if mode == "device" else None, slots.timeline.seconds)


def class_ids(name: str, model: config.Model, manifest: Manifest) -> frozenset[int] | None:
    """Return the class numbers that a configuration's `classes` stand for; None for all.

    Raises:
        ModelError: the model has no such class.
    """
    if model.classes is None:
        return None
    unknown = [label for label in model.classes if label not in manifest.labels]
    if unknown:
        raise ModelError(
            f"models.{name}.classes: {unknown[0]!r} is not a class of {model.path}",
            mend=f"its classes are {', '.join(manifest.labels)}",
        )
    return frozenset(manifest.labels.index(label) for label in model.classes)
