"""What of the GPU is there: driver, GPUs, and whether CuPy compiles a kernel and runs it. For `streamd doctor`."""

from collections.abc import Iterator
from functools import partial

import numpy as np

from streamd.checkup import Missing, Probe
from streamd.errors import DeviceError
from streamd.gpu.driver import DRIVER, Driver, release
from streamd.gpu.kernels import OPTIONS

OLDEST_CUDA = (12, 0)
OLDEST_GPU = (7, 5)  # Turing; the kernels are compiled and tested from there on

TWICE = 'extern "C" __global__ void twice(float* x) { x[threadIdx.x] *= 2.0f; }'
WIDTH = 32


def probes() -> Iterator[Probe]:
    """Yield the looks: the driver, each GPU as `cuda:N`, CuPy."""
    yield Probe("driver", driver, gpu=True)
    for index in range(count()):
        yield Probe(f"cuda:{index}", partial(device, index), gpu=True)
    yield Probe("CuPy", compiled, "pip install 'streamd[gpu]'", gpu=True)


def driver() -> str:
    """Return the driver's version and the CUDA that it speaks.

    Raises:
        Missing: there is none, or no GPU.
        DeviceError: it does not start, or is too old.
    """
    found = Driver()
    major, minor = found.cuda()
    said = f"{release() or 'of unknown version'}, CUDA {major}.{minor}"
    if (major, minor) < OLDEST_CUDA:
        raise DeviceError(f"{said}; streamd needs CUDA {OLDEST_CUDA[0]}", mend=DRIVER)
    return said


def count() -> int:
    """Return how many GPUs there are; 0 where the driver does not say."""
    try:
        return Driver().count()
    except (Missing, DeviceError):
        return 0


def device(index: int) -> str:
    """Return a GPU's name, memory and compute capability.

    Raises:
        DeviceError: it is too old, or does not answer.
    """
    found = Driver()
    capability = found.capability(index)
    said = f"{found.name(index)}, {found.memory(index) / 2**30:.1f} GiB, compute capability {_dotted(capability)}"
    if capability < OLDEST_GPU:
        raise DeviceError(f"{said}; streamd needs {_dotted(OLDEST_GPU)}", mend="set device: cpu")
    return said


def compiled() -> str:
    """Compile a kernel with NVRTC and run it on every GPU; return the versions that did.

    Raises:
        Missing: there is CuPy, but no driver.
        DeviceError: CuPy was made for another CUDA, or a GPU gives a wrong answer.
        Exception: what CuPy raises.
    """
    import cupy  # type: ignore[import-not-found]  # only GPU installations have it # noqa: PLC0415

    runtime, newest = cupy.cuda.runtime.runtimeGetVersion(), cupy.cuda.runtime.driverGetVersion()
    if not newest:
        raise Missing(f"{cupy.__version__}, and no driver to run it", mend="see `driver`")
    if runtime // 1000 > newest // 1000:
        raise DeviceError(
            f"{cupy.__version__} is for CUDA {runtime // 1000}, the driver speaks {newest // 1000}",
            mend=f"pip uninstall cupy-cuda{runtime // 1000}x, pip install 'streamd[gpu-cu{newest // 1000}]'; "
            "or install NVIDIA driver 580 or newer",
        )
    try:
        compiler = ".".join(map(str, cupy.cuda.nvrtc.getVersion()))
    except RuntimeError as error:  # CuPy's wheel brings no compiler of its own
        raise DeviceError(
            f"{cupy.__version__}, and no NVRTC: {error}", mend=f"pip install 'cupy-cuda{runtime // 1000}x[ctk]'"
        ) from error
    gpus = cupy.cuda.runtime.getDeviceCount()
    for index in range(gpus):
        with cupy.cuda.Device(index):
            kernel = cupy.RawModule(code=TWICE, options=OPTIONS, backend="nvrtc").get_function("twice")
            given = np.arange(WIDTH, dtype=np.float32)
            array = cupy.asarray(given)
            kernel((1,), (WIDTH,), (array,))
            if not np.array_equal(cupy.asnumpy(array), 2 * given):
                raise DeviceError(f"cuda:{index} gives a wrong answer", mend="see `nvidia-smi -q` and `dmesg`")
    return f"{cupy.__version__}; NVRTC {compiler} compiles, and {gpus} GPU{'s' * (gpus != 1)} run the kernel"


def _dotted(version: tuple[int, int]) -> str:
    return f"{version[0]}.{version[1]}"
