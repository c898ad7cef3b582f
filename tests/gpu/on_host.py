"""The GPU of a script: `cuda:N`, or with `host` the host in place of all of them, which only tries the script."""

from contextlib import contextmanager
from unittest.mock import patch

import onnxruntime

from streamd import bundled
from streamd.gpu.device import open_gpu
from streamd.infer import ort_cuda
from streamd.infer.session import open_session
from tests.gpu.host_gpu import HostGpu
from tests.kernels.host_kernels import HostKernels


@contextmanager
def opened(where, folder):
    """Give the GPU; while the block runs `host` answers to `cuda:N`, and kernels are built in `folder`."""
    if where != "host":
        yield open_gpu(where)
        return
    gpu = HostGpu(HostKernels(folder, bundled.folder("kernels")))

    def session(path, sides, gpu, *, stream=None, profile=""):
        return open_session(path, threads=1, spin="never", sides=sides, profile=profile)

    with (
        patch.object(ort_cuda, "open_gpu", lambda device: gpu),
        patch.object(ort_cuda, "_open", session),
        patch.object(ort_cuda, "PROVIDER", "CPUExecutionProvider"),
        patch.object(onnxruntime, "get_available_providers", lambda: [ort_cuda.PROVIDER]),
    ):
        yield gpu
