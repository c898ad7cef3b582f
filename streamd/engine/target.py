"""The GPU that an engine is built for, told by the driver alone: nothing of CUDA needs to be installed for it."""

from contextlib import AbstractContextManager
from dataclasses import dataclass

from streamd.errors import DeviceError
from streamd.gpu.device import device_index, open_gpu

# INT8 needs DP4A, which came with compute capability 6.1 and is not in 6.2 (CUDA C++ Programming Guide, arithmetic
# instructions; TensorRT's support matrix).
FIRST_INT8 = (6, 1)
NO_INT8 = {(6, 2)}


@dataclass(frozen=True, slots=True)
class Target:
    """A GPU: its name, such as "NVIDIA L4", and its compute capability, such as "8.9"."""

    name: str
    compute_capability: str

    def __str__(self) -> str:
        return f"{self.name} (sm_{self.compute_capability.replace('.', '')})"

    @property
    def has_int8(self) -> bool:
        """Whether it multiplies bytes."""
        major, _, minor = self.compute_capability.partition(".")
        capability = (int(major), int(minor))
        return capability >= FIRST_INT8 and capability not in NO_INT8


def find(device: str) -> Target | None:
    """Return the GPU `device`, such as `cuda:0`; None where there is no driver or no GPU.

    Raises:
        DeviceError: there are GPUs, and not this one; or the driver does not start.
    """
    from streamd.checkup import Missing  # noqa: PLC0415
    from streamd.gpu.driver import Driver  # noqa: PLC0415

    if device == "cpu":
        raise DeviceError("device cpu: an engine is built on a GPU and for it", mend="write cuda:0 for the first GPU")
    index = device_index(device)
    try:
        driver = Driver()
    except Missing:
        return None
    if index >= driver.count():
        raise DeviceError(f"device {device}: there is no such GPU", mend=f"this machine has {driver.count()}")
    return Target(driver.name(index), ".".join(map(str, driver.capability(index))))


def active(device: str) -> AbstractContextManager[object]:
    """Make a GPU the one that TensorRT builds on: it takes the thread's current one.

    Raises:
        DeviceError: it cannot be used.
    """
    return open_gpu(device).active()
