"""An ONNX Runtime session for a model file: its threads, what it declares, and its failures as one clear line each."""

import os
from collections.abc import Container, Iterable, Mapping, Sequence
from pathlib import Path

import onnxruntime as ort  # type: ignore[import-untyped]  # it ships no types
from onnxruntime.capi import onnxruntime_pybind11_state as state  # type: ignore[import-untyped]

from streamd.errors import ModelError
from streamd.infer import Array, Spin
from streamd.infer.tensors import Tensor, shown

# The library's errors share no base but Exception; RuntimeError is what its binding makes of any other C++ exception,
# UnicodeDecodeError of a name that is no text.
FAILURES: tuple[type[Exception], ...] = (
    state.EPFail,
    state.EngineError,
    state.Fail,
    state.InvalidArgument,
    state.InvalidGraph,
    state.InvalidProtobuf,
    state.NoModel,
    state.NoSuchFile,
    state.NotImplemented,
    state.RuntimeException,
    RuntimeError,
    UnicodeDecodeError,
)

DTYPES: dict[str, str] = {
    "tensor(float)": "float32",
    "tensor(float16)": "float16",
    "tensor(double)": "float64",
    "tensor(uint8)": "uint8",
    "tensor(int8)": "int8",
    "tensor(int32)": "int32",
    "tensor(int64)": "int64",
    "tensor(bool)": "bool",
}

SILENT = 4  # of log severities 0 to 4: what fails is raised, and told once

MENDS = {
    "external": "copy its external data file beside it, under the name it was exported with",
    "opset": "export it with an older opset, or update onnxruntime",
    "parsing failed": "this is no whole ONNX file: export or copy it again",
    "no graph": "this is no whole ONNX file: export or copy it again",
    "out of memory": "lower batch, use fewer models, or see `nvidia-smi` for who holds the GPU's memory",
    "failed to allocate memory": "lower batch, or use fewer models",
}


def open_session(
    path: Path,
    *,
    threads: int,
    spin: Spin,
    sides: Mapping[str, int],
    providers: Sequence[tuple[str, dict[str, str]]] = (),
    profile: str = "",
) -> ort.InferenceSession:
    """Open `path` with `threads` threads (0: one a core this process may use).

    `sides` settles dimensions that the model leaves open, by their names: shapes that hang on them become known
    and are folded into constants. `providers` come before the CPU's own, with their options. `profile` is how the name
    of a file begins that tells of its runs, once `end_profiling` is called.

    Raises:
        ModelError: the file is no model, or one that this runtime cannot run.
    """
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    # Left at 0 the library also pins its threads to cores, where decoders and encoders then cannot be moved aside.
    options.intra_op_num_threads = threads or len(os.sched_getaffinity(0))
    options.inter_op_num_threads = 1
    options.log_severity_level = SILENT
    options.add_session_config_entry("session.intra_op.allow_spinning", "0" if spin == "never" else "1")
    options.add_session_config_entry("session.force_spinning_stop", "1" if spin == "running" else "0")
    # Work is dealt in shrinking blocks, so a thread that lost its core to a decoder does not hold up the others.
    options.add_session_config_entry("session.dynamic_block_base", "4")
    if profile:
        options.enable_profiling = True
        options.profile_file_prefix = profile
    for name, side in sides.items():
        options.add_free_dimension_override_by_name(name, side)
    try:
        # Its fallback would print to stdout and try the same provider again.
        session = ort.InferenceSession(
            str(path), options, providers=[*providers, "CPUExecutionProvider"], enable_fallback=False
        )
        _read_names(session)
        return session
    except FAILURES as error:
        text = reason(error)
        mend = next((mend for clue, mend in MENDS.items() if clue in str(error).lower()), "export it again")
        raise ModelError(f"{path}: ONNX Runtime cannot load it: {text}", mend=mend) from error


def leave_open(binding: ort.IOBinding, names: Iterable[str]) -> None:
    """Have the next run of `binding` make the outputs `names` in host memory, of whatever shape they are then.

    A run leaves there what it made, and the next one would want that shape again.
    """
    for name in names:
        binding.bind_output(name, "cpu")


def fetched(
    path: Path, names: Sequence[str], known: Container[str], binding: ort.IOBinding, rows: int
) -> dict[str, Array]:
    """Return what a run of `rows` rows left in host memory: of the outputs `names` those that are not `known`.

    Raises:
        ModelError: the first side of one is no batch.
    """
    if all(name in known for name in names):
        return {}
    values = zip(names, binding.get_outputs(), strict=True)
    made: dict[str, Array] = {name: value.numpy() for name, value in values if name not in known}
    for name, value in made.items():
        check_rows(path, name, value.shape, rows)
    return made


def check_rows(path: Path, name: str, shape: Sequence[int], rows: int) -> None:
    """Refuse an output whose first side is no batch.

    Raises:
        ModelError: it is not `rows` long.
    """
    if tuple(shape[:1]) != (rows,):
        raise ModelError(
            f"{path}: output {name} is {shown(shape)} for a batch of {rows}: its first side is no batch",
            mend="set batch: 1, or export it with a dynamic batch" if rows > 1 else "export it with a batch first",
        )


def tensor_of(node: ort.NodeArg) -> Tensor:
    """Return what an input or output of a session declares."""
    shape = tuple(side if isinstance(side, int) else -1 for side in node.shape)
    return Tensor(node.name, DTYPES.get(node.type, node.type), shape)


def _read_names(session: ort.InferenceSession) -> None:
    """Read every name once, where one that is no text can be told as a fault of the file."""
    for node in (*session.get_inputs(), *session.get_outputs()):
        node.name, node.shape  # noqa: B018
    session.get_modelmeta().custom_metadata_map  # noqa: B018


def reason(error: Exception) -> str:
    """Return the library's message as one line without its own prefixes."""
    text = " ".join(str(error).split())
    return text.rsplit(" failed:", 1)[-1].rsplit("[ONNXRuntimeError] : ", 1)[-1].rstrip(".")[:300]
