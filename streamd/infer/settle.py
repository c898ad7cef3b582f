"""What every backend over ONNX Runtime does to open a model: settle what it leaves open, run it once, describe it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnxruntime as ort  # type: ignore[import-untyped]  # it ships no types
import structlog

from streamd.errors import ModelError
from streamd.infer import Array
from streamd.infer.describe import describe
from streamd.infer.session import DTYPES, FAILURES, check_rows, reason, tensor_of
from streamd.infer.tensors import Image, Tensor, image_of, size_of
from streamd.manifest import Manifest


@dataclass(frozen=True, slots=True)
class Settled:
    """A session that has run once.

    `rows` is the most of one run; `known` holds an example of each output whose shape follows from the batch alone;
    `sides` are the dimensions that were settled.
    """

    session: ort.InferenceSession
    manifest: Manifest
    rows: int
    known: dict[str, Array]
    sides: Mapping[str, int]


def settle(
    path: Path, sidecar: Manifest | None, batch: int, open_session: Callable[[Mapping[str, int]], ort.InferenceSession]
) -> Settled:
    """Open the model at `path` by `open_session`, which takes the dimensions that are settled by their names.

    `sidecar` is the manifest beside it, where there is one.

    Raises:
        ModelError: the file or its manifest cannot be used.
    """
    session = open_session({})
    metadata = session.get_modelmeta().custom_metadata_map
    size = (sidecar.input.width, sidecar.input.height) if sidecar else size_of(metadata)
    image = image_of(path, [tensor_of(node) for node in session.get_inputs()], size)
    rows = _rows(path, image, batch)
    sides = _open_sides(session.get_inputs()[0].shape, image, rows)
    if sides:
        structlog.get_logger().info("open sides of the model settled", model=str(path), **sides)
        session = open_session(sides)
    made = _probe(path, session, image, rows)
    tensors = [_batched(tensor_of(node), image) for node in session.get_outputs() if node.name in made]
    if sidecar is None:  # a guess needs every side; a manifest is only held against what the model promises
        tensors = [_batched(replace(tensor, shape=made[tensor.name].shape), image) for tensor in tensors]
    shape = (image.batch or -1, image.channels, image.height, image.width)
    described = describe(path, sidecar, [Tensor(image.name, image.dtype, shape)], tensors, metadata)
    for output in described.outputs:
        check_rows(path, output.name, made[output.name].shape, image.batch or rows)
    return Settled(session, described, rows, _bindable(session, made), sides)


def _rows(path: Path, image: Image, batch: int) -> int:
    """Return the most rows of one run: what was asked, or what the model has."""
    if not image.batch or batch == image.batch:
        return batch
    if batch > image.batch:
        note = "the model's batch is fixed: fewer frames share a run than asked"
    else:
        note = "the model's batch is fixed: runs of fewer frames take as long as full ones"
    structlog.get_logger().warning(note, model=str(path), asked=batch, fixed=image.batch)
    return min(batch, image.batch)


def _open_sides(shape: Sequence[int | str | None], image: Image, rows: int) -> dict[str, int]:
    """Return the dimensions that the model leaves open under a name, and what they are here.

    The batch stays open unless every run has one row: then more shapes become constants.
    """
    settled = (1 if rows == 1 else None, image.channels, image.height, image.width)
    return {side: known for side, known in zip(shape, settled, strict=True) if isinstance(side, str) and side and known}


def _probe(path: Path, session: ort.InferenceSession, image: Image, rows: int) -> dict[str, Array]:
    """Run once on an empty picture: it warms the session up, and shows the shapes that the model leaves open."""
    shape = (image.batch or rows, image.channels, image.height, image.width)
    names = [node.name for node in session.get_outputs() if node.type in DTYPES]
    if not names:
        raise ModelError(f"{path}: none of its outputs is a tensor", mend="export it without its last step")
    try:
        values = session.run(names, {image.name: np.zeros(shape, image.dtype)})
    except FAILURES as error:
        mend = "set batch: 1, or export it with a dynamic batch" if shape[0] > 1 else "export it again"
        raise ModelError(
            f"{path}: it cannot run on an input of {'x'.join(map(str, shape))}: {reason(error)}", mend=mend
        ) from error
    return dict(zip(names, values, strict=True))


def _batched(tensor: Tensor, image: Image) -> Tensor:
    return replace(tensor, shape=(image.batch or -1, *tensor.shape[1:])) if tensor.shape else tensor


def _bindable(session: ort.InferenceSession, made: Mapping[str, Array]) -> dict[str, Array]:
    """Pick the outputs whose shape follows from the batch alone."""
    batch = session.get_inputs()[0].shape[0]
    return {
        node.name: made[node.name]
        for node in session.get_outputs()
        if node.name in made and node.shape[:1] == [batch] and tuple(node.shape[1:]) == made[node.name].shape[1:]
    }
