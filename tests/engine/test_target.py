import pytest

from streamd.checkup import Missing
from streamd.engine import target
from streamd.engine.target import Target
from streamd.errors import DeviceError
from streamd.gpu import driver


class TwoGpus:
    def count(self):
        return 2

    def name(self, index):
        return ("NVIDIA L4", "Tesla T4")[index]

    def capability(self, index):
        return ((8, 9), (7, 5))[index]


def absent():
    raise Missing("there is no libcuda.so.1")


def test_a_cpu_is_no_target():
    with pytest.raises(DeviceError, match="built on a GPU and for it; write cuda:0"):
        target.find("cpu")


def test_a_gpu_is_known_by_the_driver(monkeypatch):
    monkeypatch.setattr(driver, "Driver", TwoGpus)
    assert target.find("cuda:1") == Target("Tesla T4", "7.5")
    assert str(target.find("cuda")) == "NVIDIA L4 (sm_89)"


def test_a_gpu_that_is_not_there(monkeypatch):
    monkeypatch.setattr(driver, "Driver", TwoGpus)
    with pytest.raises(DeviceError, match="device cuda:2: there is no such GPU; this machine has 2"):
        target.find("cuda:2")


def test_no_driver_is_no_target(monkeypatch):
    monkeypatch.setattr(driver, "Driver", absent)
    assert target.find("cuda:0") is None


@pytest.mark.parametrize(
    ("capability", "has"),
    [("5.3", False), ("6.0", False), ("6.1", True), ("6.2", False), ("7.5", True), ("10.0", True), ("12.0", True)],
)
def test_which_have_int8(capability, has):
    assert Target("a GPU", capability).has_int8 is has
