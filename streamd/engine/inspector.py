"""The engine inspector: an engine is loaded and asked what became of its layers. Needs the GPU it was built for."""

from typing import Any

from streamd.engine import layers
from streamd.engine.layers import Layer
from streamd.errors import ModelError
from streamd.infer.library import Library
from streamd.manifest import Built


def inspect(library: Library, logger: Any, plan: bytes, built: Built) -> list[Layer]:  # noqa: ANN401 - an ILogger
    """Return the layers of an engine, at the usual batch of its profile where it has one: formats hang on it.

    Raises:
        ModelError: the engine does not load here, or tells nothing of its layers.
    """
    runtime = library.api.Runtime(logger)
    if "--version-compatible" in built.options:
        runtime.engine_host_code_allowed = True  # it was built by this very process
    engine = runtime.deserialize_cuda_engine(plan)
    if engine is None:
        raise ModelError(f"{library} does not load the engine that it built")
    inspector = engine.create_engine_inspector()
    context = engine.create_execution_context() if built.profile else None
    if context is not None:
        _settle(engine, context, built.profile[1])
        inspector.execution_context = context
    return layers.of_json(inspector.get_engine_information(library.member("LayerInformationFormat", "JSON")))


def _settle(engine: Any, context: Any, rows: int) -> None:  # noqa: ANN401 - an ICudaEngine, an IExecutionContext
    """Set the shape of every input that leaves its batch open."""
    for index in range(engine.num_io_tensors):
        name = engine.get_tensor_name(index)
        shape = tuple(int(side) for side in engine.get_tensor_shape(name))
        if engine.get_tensor_mode(name).name == "INPUT" and -1 in shape:
            context.set_input_shape(name, (rows, *shape[1:]))
