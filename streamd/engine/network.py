"""The ONNX file through TensorRT's parser: a network, or what the parser could not take and the mend."""

from dataclasses import dataclass
from typing import Any

from streamd.engine.source import Source
from streamd.engine.watch import Watch
from streamd.errors import ModelError
from streamd.infer.library import Library
from streamd.infer.plan import DTYPES
from streamd.infer.tensors import Tensor


@dataclass(frozen=True, slots=True)
class Network:
    """A network, and the parser, which owns weights that the network uses."""

    definition: Any
    parser: Any
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]


def open_builder(library: Library, logger: Any, watch: Watch) -> Any:  # noqa: ANN401 - a Builder
    """Return a builder.

    Raises:
        ModelError: TensorRT has none to give: most often it finds no GPU that it supports.
    """
    try:
        return library.api.Builder(logger)
    except (RuntimeError, TypeError) as error:  # pybind11 says TypeError where the factory returns nothing
        raise ModelError(
            f"{library} cannot build here: {watch.reason()}",
            mend="build on the machine with the GPU; `streamd doctor` tells what is missing",
        ) from error


def parse(library: Library, builder: Any, logger: Any, source: Source, *, typed: bool) -> Network:  # noqa: ANN401
    """Parse the model of `source`.

    `typed` asks for a network in the types of the file, where this version has such networks.

    Raises:
        ModelError: the parser refuses it; the first node that it refuses is named.
    """
    library.api.init_libnvinfer_plugins(logger, "")  # EfficientNMS_TRT and its like are plugins
    definition = builder.create_network(_flags(library, typed=typed))
    parser = library.api.OnnxParser(definition, logger)
    if not parser.parse(source.model.SerializeToString()) or definition.num_outputs == 0:
        raise ModelError(f"{source.path}: {library} cannot take it: {_fault(parser)}", mend=_mend(parser, library))
    inputs = tuple(_tensor(definition.get_input(i)) for i in range(definition.num_inputs))
    outputs = tuple(_tensor(definition.get_output(i)) for i in range(definition.num_outputs))
    return Network(definition, parser, inputs, outputs)


def _flags(library: Library, *, typed: bool) -> int:
    """Return the flags of a new network. EXPLICIT_BATCH is needed before 10 and gone from 11 on."""
    names = ["EXPLICIT_BATCH", *(["STRONGLY_TYPED"] if typed else [])]
    members = [library.member("NetworkDefinitionCreationFlag", name) for name in names]
    return sum(1 << int(member) for member in members if member is not None)


def _tensor(tensor: Any) -> Tensor:  # noqa: ANN401 - an ITensor
    kind = tensor.dtype.name
    return Tensor(tensor.name, DTYPES.get(kind, kind.lower()), tuple(int(side) for side in tensor.shape))


def _fault(parser: Any) -> str:  # noqa: ANN401
    """Return what the parser says of its first error; before 10 it knows a node by its number only."""
    if not parser.num_errors:
        return "it leaves no output"
    error = parser.get_error(0)
    text = " ".join(str(error.desc()).split())[:200]
    if not hasattr(error, "node_operator"):
        return f"node {error.node()}: {text}" if error.node() >= 0 else text
    operator, name = error.node_operator(), error.node_name()
    return f"operator {operator} ({name or f'node {error.node()}'}): {text}" if operator else text


def _mend(parser: Any, library: Library) -> str:  # noqa: ANN401
    text = str(parser.get_error(0).desc()).lower() if parser.num_errors else ""
    if "plugin not found" in text:
        return f"{library} has neither this operator nor a plugin of its name: export the model without it"
    if "deserialize" in text or "parse the onnx" in text:
        return "this is no whole ONNX file: export or copy it again"
    return "export it with an opset that this TensorRT knows, or without the operator"
