"""Implicit INT8 before TensorRT 11: each tensor is told its range, from the project's own scales."""

from collections.abc import Mapping
from typing import Any

from streamd.engine.network import Network
from streamd.errors import DataError, ModelError
from streamd.infer.library import Library
from streamd.int8.scales import TOP


def apply(library: Library, network: Network, scales: Mapping[str, float]) -> list[str]:
    """Set the range of every tensor that `scales` knows, -127 to 127 scales, and return those that it does not.

    A tensor without a range stays in floating point.

    Raises:
        ModelError: this version takes no ranges.
        DataError: none of the network's tensors is known.
    """
    if not library.takes_ranges:
        raise ModelError(
            f"{library} has no implicit INT8", mend="`streamd quantize` writes its scales into the file: --int8 qdq"
        )
    unknown, known = [], 0
    for tensor in _floats(network.definition):
        scale = scales.get(tensor.name)
        if scale is None:
            unknown.append(tensor.name)
        elif tensor.set_dynamic_range(-TOP * scale, TOP * scale):
            known += 1
    if not known:
        raise DataError("not one tensor of the network has a scale", mend="give the scales of this model")
    return unknown


def _floats(definition: Any) -> list[Any]:  # noqa: ANN401 - an INetworkDefinition
    """Return the tensors of the network that hold floating point, each once."""
    tensors = [definition.get_input(i) for i in range(definition.num_inputs)]
    for index in range(definition.num_layers):
        layer = definition.get_layer(index)
        tensors += [layer.get_output(i) for i in range(layer.num_outputs)]
    kept = {tensor.name: tensor for tensor in tensors if tensor.dtype.name in ("FLOAT", "HALF")}
    return list(kept.values())
