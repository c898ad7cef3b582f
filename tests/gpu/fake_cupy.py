"""What streamd/gpu/device.py uses of CuPy, on a machine with two GPUs, and what CUDA may refuse there."""

from types import SimpleNamespace


class CudaError(RuntimeError):
    """CuPy's, of the runtime or of the driver."""

    def __init__(self, status, text):
        super().__init__(text)
        self.status = status


class RuntimeFailure(CudaError):
    pass


class DriverFailure(CudaError):
    pass


LOST = RuntimeFailure(700, "cudaErrorIllegalAddress: an illegal memory access was encountered")
FULL = RuntimeFailure(2, "cudaErrorMemoryAllocation: out of memory")


def fails(error):
    def call(*_arguments, **_options):
        raise error

    return call


class Event:
    """An event that reports what went wrong before it."""

    def __init__(self, **_options):
        pass

    def record(self, stream):
        pass

    synchronize = fails(LOST)


def cupy(count=lambda: 2, **more):
    """What `CudaGpu` uses of CuPy, on a machine with two GPUs."""
    about = {"name": b"Stand-in", "major": 9, "minor": 0}
    used = []
    runtime = SimpleNamespace(
        CUDARuntimeError=RuntimeFailure,
        getDevice=lambda: used[-1] if used else 0,
        getDeviceCount=count,
        getDeviceProperties=lambda index: about,
    )
    cuda = {
        "used": used,
        "runtime": runtime,
        "driver": SimpleNamespace(CUDADriverError=DriverFailure),
        "Device": lambda index: SimpleNamespace(use=lambda: used.append(index)),
        "Event": Event,
        "Stream": lambda **_: SimpleNamespace(),
        "alloc_pinned_memory": fails(FULL),
    }
    return SimpleNamespace(cuda=SimpleNamespace(**cuda | more))
