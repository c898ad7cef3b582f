import pytest

from streamd.checkup import Missing
from streamd.errors import DeviceError
from streamd.gpu.video import LIBRARIES, NEWER, reason


@pytest.mark.parametrize(
    ("lines", "kind", "mend"),
    [
        (["Cannot load libcuda.so.1", "Could not dynamically load CUDA"], Missing, "see `driver`"),
        (["Cannot load libnvcuvid.so.1"], Missing, LIBRARIES),
        (["OpenEncodeSessionEx failed: unsupported device (2): (no details)"], Missing, ""),
        (["Driver does not support the required nvenc API version. Required: 13.0 Found: 12.2"], DeviceError, NEWER),
        (["something new"], DeviceError, ""),
    ],
)
def test_the_first_words_that_are_known_decide(lines, kind, mend):
    found = reason(lines, "failed")
    assert (type(found), found.mend) == (kind, mend)
    assert str(found).startswith(lines[0])


def test_without_a_log_the_error_speaks():
    assert str(reason([], "failed")) == "failed"
