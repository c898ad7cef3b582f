"""What a node says of itself, as torch's functions want it, and the refusal of what they do not know."""

from collections.abc import Sequence
from typing import Any

from onnx import NodeProto

from streamd.errors import ModelError
from streamd.int8.graph import attribute

MEND = "leave this step out with --partial or --bias-correction instead, which run any model"


def refused(node: NodeProto, why: str) -> ModelError:
    """Return the error that names a node and what is not known of it."""
    return ModelError(f"{node.name or node.output[0]}: {node.op_type} {why}", mend=MEND)


def ints(node: NodeProto, name: str, default: Sequence[int]) -> list[int]:
    """Return an attribute that is a list of integers."""
    value: Any = attribute(node, name, default)
    return [int(one) for one in value]


def number(node: NodeProto, name: str, default: float) -> float:
    """Return an attribute that is a number."""
    return float(str(attribute(node, name, default)))
