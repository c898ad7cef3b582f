"""Every call of TensorRT that streamd makes and that could not be executed with TensorRT itself.

Without a GPU nothing can be deserialised or run, and of versions below 11 only the bindings are to be had, not the
libraries. These calls were held against the recorded signatures alone (recorded.json). The others were executed with
the libraries of 11.4 and of TensorRT-RTX, most by test_build.py; but VERSION_COMPATIBLE ends there in an error, for it
needs libnvinfer_lean.
"""

import re
from pathlib import Path

import pytest

from tests.engine.recorded import RECORDED

ROOT = Path(__file__).parents[2] / "streamd"
WITHOUT_A_GPU = {
    "Runtime": {"deserialize_cuda_engine", "engine_host_code_allowed", "error_recorder"},
    "ICudaEngine": {
        "create_engine_inspector", "create_execution_context", "create_runtime_config", "device_memory_size",
        "device_memory_size_v2", "get_tensor_dtype", "get_tensor_format", "get_tensor_location", "get_tensor_mode",
        "get_tensor_name", "get_tensor_profile_shape", "get_tensor_shape", "num_io_tensors",
    },
    "IExecutionContext": {
        "active_optimization_profile", "execute_async_v3", "get_tensor_shape", "is_stream_capturable",
        "set_device_memory", "set_input_shape", "set_optimization_profile_async", "set_tensor_address",
    },
    "IRuntimeConfig": {
        "dynamic_shapes_kernel_specialization_strategy", "set_execution_context_allocation_strategy",
    },
    "EngineInspector": {"execution_context", "get_engine_information"},
    "IErrorRecorder": {
        "clear", "get_error_code", "get_error_desc", "has_overflowed", "num_errors", "report_error",
    },
}  # fmt: skip
OF_OLDER_VERSIONS = {
    "IBuilderConfig": {"get_preview_feature", "int8_calibrator", "set_calibration_profile", "set_preview_feature"},
    "ITensor": {"set_dynamic_range"},
    "ICudaEngine": {"create_execution_context_without_device_memory"},
    "IExecutionContext": {"device_memory"},
    "IInt8LegacyCalibrator": {
        "get_batch", "get_batch_size", "read_calibration_cache", "write_calibration_cache",
    },
}  # fmt: skip
EVERY = [(kind, name) for part in (WITHOUT_A_GPU, OF_OLDER_VERSIONS) for kind, names in part.items() for name in names]


@pytest.fixture(scope="module")
def sources():
    files = [
        *(ROOT / "engine").glob("*.py"),
        *(ROOT / "infer" / f"{name}.py" for name in ("contexts", "library", "plan")),
    ]
    return "\n".join(path.read_text() for path in files)


@pytest.mark.parametrize(("kind", "name"), sorted(EVERY))
def test_what_is_listed_is_of_some_version_and_used(sources, kind, name):
    assert any(name in about["classes"].get(kind, ()) for about in RECORDED.values())
    assert re.search(rf"\b{name}\b", sources)


@pytest.mark.parametrize("kind", ["Runtime", "ICudaEngine", "IExecutionContext", "IRuntimeConfig", "EngineInspector"])
def test_whatever_an_engine_is_asked_is_listed(sources, kind):
    owner = {
        "Runtime": r"runtime", "ICudaEngine": r"engine", "IExecutionContext": r"context", "IRuntimeConfig": r"config",
        "EngineInspector": r"inspector",
    }[kind]  # fmt: skip
    asked = set(re.findall(rf"\b_?{owner}\.(\w+)", sources))
    known = {name for about in RECORDED.values() for name in about["classes"].get(kind, ())}
    built = (
        {name for about in RECORDED.values() for name in about["classes"]["IBuilderConfig"]}
        if owner == "config"
        else set()
    )
    listed = WITHOUT_A_GPU[kind] | OF_OLDER_VERSIONS.get(kind, set())
    assert (asked & known) - built <= listed
