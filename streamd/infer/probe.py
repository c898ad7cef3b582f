"""Which runtimes are there, by running the bundled model, or by making a builder. For `streamd doctor`."""

import importlib
import importlib.util
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata

import numpy as np

from streamd import bundled
from streamd.checkup import Missing, Probe
from streamd.errors import ModelError

CUDA = "CUDAExecutionProvider"
CPU = "CPUExecutionProvider"
ORT_GPU = "pip uninstall -y onnxruntime onnxruntime-gpu, pip install 'onnxruntime-gpu[cuda,cudnn]'"
STDERR = 2


def probes() -> Iterator[Probe]:
    """Yield the looks."""
    yield Probe("ONNX Runtime", on_cpu, "pip install --force-reinstall 'onnxruntime>=1.20'")
    yield Probe("ONNX Runtime CUDA", on_cuda, ORT_GPU, gpu=True)
    yield Probe("TensorRT", tensorrt, "pip install 'streamd[gpu]'", gpu=True)


def on_cpu() -> str:
    """Run the bundled model on the CPU; return the version and the providers that were built in."""
    import onnxruntime as ort  # type: ignore[import-untyped]  # it ships no types # noqa: PLC0415 - it may be missing

    _run([CPU])
    names = (name.removesuffix("ExecutionProvider") for name in ort.get_available_providers())
    return f"{ort.__version__}, providers: {', '.join(names)}"


def on_cuda() -> str:
    """Run the bundled model on the first GPU.

    Raises:
        Missing: this ONNX Runtime has no CUDA provider.
        ModelError: it has one, which does not load.
    """
    import onnxruntime as ort  # noqa: PLC0415 - it may be missing

    if CUDA not in ort.get_available_providers():
        both = len(_installed("onnxruntime", "onnxruntime-gpu")) == 2
        raise Missing("onnxruntime has written over onnxruntime-gpu" if both else "this ONNX Runtime has no CUDA")
    if hasattr(ort, "preload_dlls"):
        ort.preload_dlls()  # from the wheels of NVIDIA, where they are
    with _overheard() as lines:
        used = _run([CUDA, CPU])
    if CUDA not in used:
        said = next((line for line in lines if "rror" in line or "Require" in line), "it says no reason")
        raise ModelError(f"its CUDA provider does not load: {said}")
    return "runs the bundled model"


def tensorrt() -> str:
    """Make a builder; return the version of TensorRT, or of TensorRT for RTX where there is only that.

    Raises:
        Missing: there is neither.
        Exception: what TensorRT raises.
    """
    names = ("tensorrt", "tensorrt_rtx")
    there = [name for name in names if importlib.util.find_spec(name) is not None]
    if not there:
        raise Missing(f"there is no Python module {' or '.join(names)}")
    trt = importlib.import_module(there[0])
    trt.Builder(trt.Logger(trt.Logger.ERROR))
    return f"{trt.__version__} ({there[0]})"


def _run(providers: list[str]) -> list[str]:
    """Run the bundled model on an empty picture; return the providers that its session has."""
    import onnxruntime as ort  # noqa: PLC0415 - it may be missing

    path = bundled.folder("assets") / "street.onnx"
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(str(path), options, providers=providers, enable_fallback=False)
    node = session.get_inputs()[0]
    shape = [side if isinstance(side, int) else 1 for side in node.shape]
    (answer, *_) = session.run(None, {node.name: np.zeros(shape, np.float32)})
    if not np.isfinite(answer).all():
        raise ModelError(f"{path.name} gives what is no number")
    used: list[str] = session.get_providers()
    return used


def _installed(*names: str) -> list[str]:
    there = {str(each.name).lower() for each in metadata.distributions()}
    return [name for name in names if name in there]


@contextmanager
def _overheard() -> Iterator[list[str]]:
    """Catch what the library writes to stderr, where alone it tells why a provider does not load."""
    lines: list[str] = []
    with tempfile.TemporaryFile() as heard:
        kept = os.dup(STDERR)
        os.dup2(heard.fileno(), STDERR)
        try:
            yield lines
        finally:
            os.dup2(kept, STDERR)
            os.close(kept)
            heard.seek(0)
            lines += heard.read().decode(errors="replace").splitlines()
