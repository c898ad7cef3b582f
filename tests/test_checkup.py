import pytest

from streamd.checkup import Missing, Part, Probe
from streamd.errors import DeviceError


def raising(error):
    def look():
        raise error

    return look


def test_what_a_look_returns_is_what_is_there():
    assert Probe("X", lambda: "1.0", "pip install x")() == Part("X", "ok", "1.0")


@pytest.mark.parametrize(
    ("error", "state", "said", "mend"),
    [
        (Missing("no X"), "missing", "no X", "general"),
        (Missing("no X", mend="own"), "missing", "no X", "own"),
        (ModuleNotFoundError("No module named 'x'", name="x"), "missing", "there is no Python module x", "general"),
        (DeviceError("too old"), "broken", "too old", "general"),
        (DeviceError("too old", mend="own"), "broken", "too old", "own"),
        (ImportError("\nlibx.so: cannot open\nmore"), "broken", "ImportError: libx.so: cannot open", "general"),
        (RuntimeError(), "broken", "RuntimeError: no reason given", "general"),
    ],
)
def test_what_a_look_raises_is_a_state_and_a_mend(error, state, said, mend):
    assert Probe("X", raising(error), "general")() == Part("X", state, said, mend)
