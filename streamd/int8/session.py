"""ONNX Runtime over a model in memory, on the CPU: as fast as it goes, or node by node as it is written."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime as ort  # type: ignore[import-untyped]  # it ships no types

from streamd.errors import ModelError
from streamd.infer.session import FAILURES, SILENT, reason

Array = npt.NDArray[Any]


class Session:
    """A model that can be run. `fused` false runs every node as written, so that Q and DQ pairs stay what they are."""

    def __init__(self, model: onnx.ModelProto, name: str, *, fused: bool = True, threads: int = 0) -> None:
        """`name` is what errors call the model; `threads` 0 is one a core.

        Raises:
            ModelError: ONNX Runtime cannot run the model.
        """
        options = ort.SessionOptions()
        level = ort.GraphOptimizationLevel
        options.graph_optimization_level = level.ORT_ENABLE_ALL if fused else level.ORT_DISABLE_ALL
        options.intra_op_num_threads = threads
        options.log_severity_level = SILENT
        self._name = name
        try:
            self._session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        except FAILURES as error:
            raise ModelError(f"{name}: ONNX Runtime cannot load it: {reason(error)}", mend="export it again") from error

    @property
    def inputs(self) -> tuple[str, ...]:
        """The names of the inputs."""
        return tuple(node.name for node in self._session.get_inputs())

    @property
    def outputs(self) -> tuple[str, ...]:
        """The names of the outputs."""
        return tuple(node.name for node in self._session.get_outputs())

    def run(self, feeds: Mapping[str, Array], outputs: Sequence[str] | None = None) -> dict[str, Array]:
        """Run the model and return `outputs` (all when None) by name.

        Raises:
            ModelError: ONNX Runtime failed.
        """
        names = self.outputs if outputs is None else tuple(outputs)
        try:
            values = self._session.run(list(names), dict(feeds))
        except FAILURES as error:
            raise ModelError(f"{self._name}: ONNX Runtime cannot run it: {reason(error)}") from error
        return {name: np.asarray(value) for name, value in zip(names, values, strict=True)}
