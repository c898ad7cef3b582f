"""The manifest that a model runs by: the one beside it, held against what the model declares, or a guess.

Knows no runtime: a backend hands in the tensors and the metadata that its own library read.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import structlog
from msgspec.structs import replace

from streamd import manifest
from streamd.errors import ModelError
from streamd.infer.guess import guess
from streamd.infer.tensors import Image, Tensor, image_of, shown
from streamd.manifest import HeadName, Manifest, Output


def describe(
    model: Path,
    sidecar: Manifest | None,
    inputs: Sequence[Tensor],
    outputs: Sequence[Tensor],
    metadata: Mapping[str, str],
) -> Manifest:
    """Return the manifest of `model`, complete: its outputs named in the order its head reads them.

    Raises:
        ModelError: `sidecar` says something else than the model, or there is none and no head can be told.
    """
    if sidecar is not None:
        return _completed(model, sidecar, inputs, outputs)
    found = guess(model, inputs, outputs, metadata)
    structlog.get_logger().info(
        "model recognised by its shapes",
        model=str(model),
        head=found.head,
        labels=len(found.labels),
        input=f"{found.input.width}x{found.input.height} {found.input.colour}",
        fit=f"{found.input.fit} {found.input.anchor}",
    )
    return found


def _completed(model: Path, sidecar: Manifest, inputs: Sequence[Tensor], outputs: Sequence[Tensor]) -> Manifest:
    image = image_of(model, inputs, (sidecar.input.width, sidecar.input.height))
    chosen, faults = _chosen(sidecar, outputs)
    faults = [*_input_faults(sidecar, image), *faults, *_label_faults(sidecar, chosen)]
    if faults:
        raise ModelError(
            f"{manifest.beside(model)} and {model.name} disagree: {'; '.join(faults)}",
            mend="mend the manifest, or remove it to have the model recognised by its shapes",
        )
    named = tuple(Output(tensor.name, tensor.shape) for tensor in chosen)
    return replace(sidecar, outputs=named, batch=image.batch)


def _input_faults(sidecar: Manifest, image: Image) -> list[str]:
    said = sidecar.input
    pairs: list[tuple[str, object, object]] = [
        ("input name", said.name, image.name),
        ("input size", f"{said.width}x{said.height}", f"{image.width}x{image.height}"),
        ("input dtype", said.dtype, image.dtype),
        ("channels", said.channels, image.channels),
    ]
    if sidecar.batch:
        pairs.append(("batch", sidecar.batch, image.batch or "dynamic"))
    return [f"{what} {ours} against {theirs}" for what, ours, theirs in pairs if ours != theirs]


def _chosen(sidecar: Manifest, outputs: Sequence[Tensor]) -> tuple[tuple[Tensor, ...], list[str]]:
    """Pick the outputs that the manifest names, all where it names none, and tell which are not as it says."""
    if not sidecar.outputs:
        return tuple(outputs), []
    by_name = {tensor.name: tensor for tensor in outputs}
    chosen, faults = [], []
    for output in sidecar.outputs:
        tensor = by_name.get(output.name)
        if tensor is None:
            faults.append(f"output {output.name} against {', '.join(by_name)}")
            continue
        chosen.append(tensor)
        if not _same_shape(output.shape, tensor.shape):
            faults.append(f"output {output.name} {shown(output.shape)} against {shown(tensor.shape)}")
    return tuple(chosen), faults


def _same_shape(said: tuple[int, ...], actual: tuple[int, ...]) -> bool:
    return len(said) == len(actual) and all(-1 in pair or pair[0] == pair[1] for pair in zip(said, actual, strict=True))


def _label_faults(sidecar: Manifest, outputs: tuple[Tensor, ...]) -> list[str]:
    classes = _classes(sidecar.head, outputs[0].shape) if outputs else None
    if classes is None or not sidecar.labels or len(sidecar.labels) == classes:
        return []
    return [f"{len(sidecar.labels)} labels against the {classes} classes of output {outputs[0]}"]


def _classes(head: HeadName, shape: tuple[int, ...]) -> int | None:
    """Return how many classes an output of `shape` has; None where its head or shape does not tell."""
    match head, shape:
        case ("yolov8", (_, side, _)) if side > 0:
            return side - 4
        case ("obb", (_, side, _)) if side > 0:
            return side - 5
        case ("yolov5" | "yolov6" | "yolox", (_, _, *_, side)) if side > 0:
            return side - 5
        case ("rtdetr", (_, _, side)) if side > 0:
            return side - 4
        case ("classify", (_, side)) if side > 0:
            return side
    return None
