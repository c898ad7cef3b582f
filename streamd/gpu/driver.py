"""The NVIDIA driver, asked without CuPy: through its own libraries, which need nothing but themselves."""

import ctypes
from pathlib import Path

from streamd.checkup import Missing
from streamd.errors import DeviceError

CAPABILITY_MAJOR, CAPABILITY_MINOR = 75, 76  # CUdevice_attribute
NO_DEVICE = 100  # CUresult
NVIDIA, DISPLAY = "0x10de", "0x03"  # vendor, and the class of everything that draws or only could (PCI Code and ID)
DRIVER = "install the NVIDIA driver, 580 or newer (525 is enough for 'streamd[gpu-cu12]')"

# What a driver that is there but does not start says (CUresult), and what mends it.
MENDS = {
    802: "systemctl start nvidia-fabricmanager",
    803: "reboot: the driver was updated, and its old kernel module is still loaded",
    804: "install a newer NVIDIA driver, or remove the cuda-compat package",
    999: "modprobe nvidia-uvm, or reboot",
}


class Driver:
    """libcuda, initialised."""

    def __init__(self) -> None:
        """Load it.

        Raises:
            Missing: there is no driver, or no GPU.
            DeviceError: it does not start.
        """
        try:
            self._cuda = ctypes.CDLL("libcuda.so.1")
        except OSError as error:
            raise absent() from error
        self._call("cuInit", 0)
        if self.count() == 0:
            raise no_device()

    def cuda(self) -> tuple[int, int]:
        """Return the newest CUDA that it speaks, such as (13, 0)."""
        version = self._integer("cuDriverGetVersion")
        return version // 1000, version % 1000 // 10

    def count(self) -> int:
        """Return how many GPUs it shows."""
        return self._integer("cuDeviceGetCount")

    def name(self, index: int) -> str:
        """Return the name of a GPU."""
        buffer = ctypes.create_string_buffer(256)
        self._call("cuDeviceGetName", buffer, len(buffer), self._device(index))
        return buffer.value.decode(errors="replace")

    def memory(self, index: int) -> int:
        """Return the memory of a GPU, in bytes."""
        size = ctypes.c_size_t()
        self._call("cuDeviceTotalMem_v2", ctypes.byref(size), self._device(index))
        return size.value

    def capability(self, index: int) -> tuple[int, int]:
        """Return the compute capability of a GPU, such as (9, 0)."""
        device = self._device(index)
        major = self._integer("cuDeviceGetAttribute", CAPABILITY_MAJOR, device)
        return major, self._integer("cuDeviceGetAttribute", CAPABILITY_MINOR, device)

    def _device(self, index: int) -> int:
        return self._integer("cuDeviceGet", index)

    def _integer(self, function: str, *arguments: int) -> int:
        value = ctypes.c_int()
        self._call(function, ctypes.byref(value), *arguments)
        return value.value

    def _call(self, function: str, *arguments: object) -> None:
        result = getattr(self._cuda, function)(*arguments)
        if result == NO_DEVICE:
            raise no_device()
        if result:
            text = ctypes.c_char_p()
            self._cuda.cuGetErrorName(result, ctypes.byref(text))
            name = text.value.decode() if text.value else "an error without a name"
            raise DeviceError(f"{function} failed: {name} ({result})", mend=MENDS.get(result, "see `dmesg`, or reboot"))


def absent(bus: Path = Path("/sys/bus/pci/devices")) -> Missing:
    """Return the signal that there is no driver; what mends it depends on whether there is a GPU on the PCI bus."""
    vendors = (each.parent for each in bus.glob("*/vendor") if each.read_text().strip() == NVIDIA)
    if any((each / "class").read_text().startswith(DISPLAY) for each in vendors):
        return Missing("there is a GPU and no libcuda.so.1", mend=f"{DRIVER}; start a container with --gpus all")
    return Missing("there is no libcuda.so.1, and no NVIDIA GPU on the PCI bus")


def no_device() -> Missing:
    """Return the signal that the driver is there and shows no GPU."""
    return Missing("the driver shows no GPU", mend="see `nvidia-smi`; start a container with --gpus all")


def release() -> str:
    """Return the driver's own version, such as 580.65.06; empty where NVML does not tell."""
    try:
        nvml = ctypes.CDLL("libnvidia-ml.so.1")
    except OSError:
        return ""
    buffer = ctypes.create_string_buffer(96)  # NVML_SYSTEM_DRIVER_VERSION_BUFFER_SIZE is 80
    if nvml.nvmlInit_v2() or nvml.nvmlSystemGetDriverVersion(buffer, len(buffer)):
        return ""
    return buffer.value.decode(errors="replace")
