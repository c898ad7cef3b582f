import pytest

from streamd.errors import DeviceError
from tests.gpu.decode_check import CHECKS, Card


@pytest.fixture(scope="module")
def card():
    """The GPU of this machine."""
    try:
        return Card()
    except DeviceError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__.removeprefix("check_"))
def test_on_this_gpu(check, card, tmp_path):
    assert list(check(card, tmp_path))
