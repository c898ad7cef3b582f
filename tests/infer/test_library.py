import pytest

from streamd.errors import ModelError
from streamd.infer import library
from tests.engine.recorded import Recorded


def loader(**modules):
    def load(name):
        found = modules.get(name, ModuleNotFoundError(f"No module named '{name}'"))
        if isinstance(found, Exception):
            raise found
        return found

    return load


def test_tensorrt_goes_before_rtx():
    both = {"tensorrt": Recorded("tensorrt 10.3.0"), "tensorrt_rtx": Recorded("tensorrt_rtx 1.7.1.116")}
    assert str(library.find(loader(**both))) == "TensorRT 10.3.0"


def test_rtx_serves_where_tensorrt_is_missing_or_broken():
    rtx = Recorded("tensorrt_rtx 1.7.1.116")
    for broken in (ImportError("gone"), OSError("libnvinfer.so.10: cannot open shared object file")):
        found = library.find(loader(tensorrt=broken, tensorrt_rtx=rtx))
        assert (found.name, str(found)) == ("tensorrt_rtx", "TensorRT-RTX 1.7.1.116")


def test_without_either_each_reason_is_told():
    with pytest.raises(ModelError) as error:
        library.find(loader(tensorrt=OSError("libnvinfer.so.10: no such\nfile")))
    assert "tensorrt: libnvinfer.so.10: no such file; tensorrt_rtx: No module named" in str(error.value)
    assert "pip install 'streamd[gpu]'" in str(error.value)


def test_members_are_found_by_name(library_of):
    found = library_of("tensorrt 8.6.1")
    assert found.member("MemoryPoolType", "WORKSPACE").name == "WORKSPACE"
    assert found.member("NetworkDefinitionCreationFlag", "STRONGLY_TYPED") is None
    assert found.member("TilingOptimizationLevel", "FULL") is None


def test_a_logger_hands_everything_on(library_of):
    said = []
    found = library_of("tensorrt 10.3.0")
    logger = found.logger(lambda severity, message: said.append((severity, message)))
    logger.log(found.api.ILogger.Severity.WARNING, "a message\n")
    assert said == [("WARNING", "a message")]


@pytest.fixture
def library_of():
    def library_of(version):
        api = Recorded(version)
        return library.Library(api, version.split()[0], api.__version__)

    return library_of
