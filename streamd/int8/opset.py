"""Raising a model's opset to what FP16 scales need, by onnx's own converter, and checking that it still answers alike.

The converter is known to fail on some graphs, and to be wrong on a few: so its result is run against the original.
"""

import numpy as np
import onnx
from onnx import inliner, version_converter

from streamd.errors import ModelError
from streamd.int8.session import Array, Session

NEEDED = 19  # the first opset whose QuantizeLinear takes a float16 scale
MEND = f"export the model again with opset {NEEDED} or later"


def raised(model: onnx.ModelProto, name: str) -> onnx.ModelProto:
    """Return a copy of `model` with local functions inlined and an opset of at least 19.

    Raises:
        ModelError: the converter failed, or what it made answers differently.
    """
    copy = onnx.ModelProto()
    copy.CopyFrom(inliner.inline_local_functions(model) if model.functions else model)
    version = next((entry.version for entry in model.opset_import if entry.domain in {"", "ai.onnx"}), 0)
    if version >= NEEDED:
        return copy
    try:
        converted = version_converter.convert_version(copy, NEEDED)
    except (version_converter.ConvertError, RuntimeError) as error:
        raise ModelError(f"{name}: opset {version} cannot be raised to {NEEDED}: {_line(error)}", mend=MEND) from error
    _compare(model, converted, name, f"{name}, raised from opset {version} to {NEEDED}")
    return converted


def _compare(before: onnx.ModelProto, after: onnx.ModelProto, name: str, raised: str) -> None:
    feeds = noise(before)
    expected = Session(before, name).run(feeds)
    got = Session(after, raised).run(feeds)
    for output, value in expected.items():
        same = got[output]
        if value.shape != same.shape or not np.allclose(value, same, rtol=1e-3, atol=1e-4, equal_nan=True):
            raise ModelError(f"{raised}, answers differently in {output}", mend=MEND)


def noise(model: onnx.ModelProto) -> dict[str, Array]:
    """Return noise in 0..1 for every input; a dimension that varies is 1 where it is the batch and 64 elsewhere."""
    random = np.random.default_rng(0)
    constants = {tensor.name for tensor in model.graph.initializer}
    feeds = {}
    for value in model.graph.input:
        if value.name not in constants:
            kind = value.type.tensor_type
            shape = [dim.dim_value or (64 if axis else 1) for axis, dim in enumerate(kind.shape.dim)]
            feeds[value.name] = random.random(shape).astype(onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type))
    return feeds


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
