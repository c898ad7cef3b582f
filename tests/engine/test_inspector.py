"""The inspector against every recorded version; what it answers is as the developer guides show it."""

import json

import pytest

from streamd.engine.inspector import inspect
from streamd.engine.target import Target
from streamd.errors import ModelError
from streamd.manifest import Built

L4 = Target("NVIDIA L4", "8.9")
TENSOR = {"Name": "x", "Location": "Device", "Dimensions": [1, 16, 8, 8], "Format/Datatype": "Row major Int8 format"}
CONV = {
    "Name": "conv", "LayerType": "CaskConvolution", "Inputs": [TENSOR], "Outputs": [TENSOR],
    "ParameterType": "Convolution", "Weights": {"Type": "Int8", "Count": 2304}, "TacticName": "", "StreamId": 0,
}  # fmt: skip


def answering(layers, loads=True):
    """A runtime whose engine has one open input, and these layers."""
    state = {}

    answers = {
        "Runtime.deserialize_cuda_engine": lambda _, plan, *more: state["engine"] if loads else None,
        "ICudaEngine.create_engine_inspector": lambda _: state["inspector"],
        "ICudaEngine.create_execution_context": lambda _, *more: state["context"],
        "ICudaEngine.get_tensor_name": lambda _, index: ("images", "output0")[index],
        "ICudaEngine.get_tensor_shape": lambda _, name: (-1, 3, 32, 32) if name == "images" else (-1, 8, 21),
        "ICudaEngine.get_tensor_mode": lambda _, name: state["modes"][name],
        "EngineInspector.get_engine_information": lambda _, kind: json.dumps({"Layers": layers, "Bindings": []}),
        "IExecutionContext.set_input_shape": lambda _, name, shape: True,
    }
    return answers, state


@pytest.fixture
def loaded(library):
    def loaded(version, layers=(CONV,), **given):
        answers, state = answering(list(layers), **given)
        found = library(version, **answers)
        state["engine"] = found.api.made("ICudaEngine", num_io_tensors=2)
        state["inspector"] = found.api.made("EngineInspector")
        state["context"] = found.api.made("IExecutionContext")
        mode = found.api.TensorIOMode
        state["modes"] = {"images": mode.INPUT, "output0": mode.OUTPUT}
        return found

    return loaded


def test_an_engine_is_asked_at_its_usual_batch(loaded, version):
    found = loaded(version)
    (layer,) = inspect(found, None, b"plan", Built("", "", "", "", profile=(1, 4, 8)))
    assert (layer.name, layer.weights) == ("conv", "int8")
    assert found.api.called("IExecutionContext.set_input_shape") == [("images", (4, 3, 32, 32))]
    assert len(found.api.called("EngineInspector.execution_context")) == 1
    assert found.api.called("EngineInspector.get_engine_information") == [(found.api.LayerInformationFormat.JSON,)]
    assert found.api.called("Runtime.engine_host_code_allowed") == []


def test_a_fixed_batch_needs_no_context(loaded, version):
    found = loaded(version)
    inspect(found, None, b"plan", Built("", "", "", "", options=("--version-compatible",)))
    assert found.api.called("ICudaEngine.create_execution_context") == []
    assert found.api.called("Runtime.engine_host_code_allowed") == [True]


def test_an_engine_that_does_not_load(loaded):
    with pytest.raises(ModelError, match="does not load the engine that it built"):
        inspect(loaded("tensorrt 10.3.0", loads=False), None, b"plan", Built("", "", "", ""))


def test_a_build_on_a_gpu_is_audited(loaded, version, run):
    made = run(loaded(version), target=L4)
    assert made.audit.verdict == "1 of 1 convolutions INT8; 0 conversions"
    assert made.manifest.built.verdict == made.audit.verdict


def test_an_audit_that_fails_costs_no_engine(loaded, run):
    made = run(loaded("tensorrt 10.3.0", layers=["conv"]), target=L4)
    assert (made.audit, made.manifest.built.verdict) == (None, "")
