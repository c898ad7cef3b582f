import pytest

from streamd.checkup import Missing
from streamd.errors import DeviceError
from streamd.gpu import driver
from streamd.gpu.driver import Driver, absent, release


class Cuda:
    """libcuda with GPUs of (name, bytes, compute capability); `result` is what cuInit returns."""

    def __init__(self, gpus=(("T4", 15 << 30, (7, 5)),), version=13000, result=0):
        self.gpus, self.version, self.result = gpus, version, result

    def cuInit(self, flags):
        return self.result

    def cuGetErrorName(self, result, text):
        text._obj.value = b"CUDA_ERROR_OF_SOME_KIND"

    def cuDriverGetVersion(self, value):
        value._obj.value = self.version
        return 0

    def cuDeviceGetCount(self, value):
        value._obj.value = len(self.gpus)
        return 0

    def cuDeviceGet(self, value, index):
        value._obj.value = index
        return 0 if index < len(self.gpus) else 101

    def cuDeviceGetName(self, buffer, size, device):
        buffer.value = self.gpus[device][0].encode()
        return 0

    def cuDeviceTotalMem_v2(self, value, device):
        value._obj.value = self.gpus[device][1]
        return 0

    def cuDeviceGetAttribute(self, value, attribute, device):
        value._obj.value = self.gpus[device][2][attribute - driver.CAPABILITY_MAJOR]
        return 0


class Nvml:
    def nvmlInit_v2(self):
        return 0

    def nvmlSystemGetDriverVersion(self, buffer, size):
        buffer.value = b"580.65.06"
        return 0


@pytest.fixture
def libraries(monkeypatch):
    """Puts libraries in place of those of the machine, by the start of their names."""

    def put(**there):
        def load(name):
            for start, library in there.items():
                if name.startswith(start):
                    return library
            raise OSError(f"{name}: cannot open shared object file")

        monkeypatch.setattr(driver.ctypes, "CDLL", load)

    return put


def test_a_gpu_tells_its_name_memory_and_capability(libraries):
    libraries(libcuda=Cuda((("T4", 15 << 30, (7, 5)), ("H200", 140 << 30, (9, 0)))))
    found = Driver()
    assert (found.count(), found.cuda()) == (2, (13, 0))
    assert (found.name(1), found.memory(1), found.capability(1)) == ("H200", 140 << 30, (9, 0))


@pytest.mark.parametrize("cuda", [Cuda(result=driver.NO_DEVICE), Cuda(gpus=())])
def test_a_driver_without_a_gpu_is_missing(libraries, cuda):
    libraries(libcuda=cuda)
    with pytest.raises(Missing, match="shows no GPU"):
        Driver()


@pytest.mark.parametrize(("result", "mend"), [(803, "reboot: the driver was updated"), (802, "fabricmanager")])
def test_a_driver_that_does_not_start_says_what_mends_it(libraries, result, mend):
    libraries(libcuda=Cuda(result=result))
    with pytest.raises(DeviceError, match=rf"cuInit failed: CUDA_ERROR_OF_SOME_KIND \({result}\).*{mend}"):
        Driver()


def test_a_gpu_that_does_not_answer_is_an_error(libraries):
    libraries(libcuda=Cuda())
    with pytest.raises(DeviceError, match=r"cuDeviceGet failed.*\(101\)"):
        Driver().name(1)


def test_without_a_library_there_is_no_driver(libraries):
    libraries()
    with pytest.raises(Missing, match=r"no libcuda\.so\.1"):
        Driver()


@pytest.mark.parametrize(
    ("vendor", "kind", "said"),
    [
        ("0x10de", "0x030000", "there is a GPU"),
        ("0x10de", "0x040300", "no NVIDIA GPU"),  # the sound of one
        ("0x8086", "0x030000", "no NVIDIA GPU"),
    ],
)
def test_what_mends_a_missing_driver_depends_on_the_bus(tmp_path, vendor, kind, said):
    card = tmp_path / "0000:01:00.0"
    card.mkdir()
    (card / "vendor").write_text(f"{vendor}\n")
    (card / "class").write_text(f"{kind}\n")
    assert said in str(absent(tmp_path))
    assert ("580" in absent(tmp_path).mend) is (said == "there is a GPU")


def test_the_release_comes_from_nvml(libraries):
    libraries(**{"libnvidia-ml": Nvml()})
    assert release() == "580.65.06"


def test_without_nvml_the_release_is_not_known(libraries):
    libraries()
    assert release() == ""
