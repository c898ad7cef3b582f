"""What the units promise the daemon, and what it needs."""

from pathlib import Path

import pytest

UNITS = sorted((Path(__file__).parents[1] / "systemd").glob("*.service"))


def service(path):
    """The settings of a unit, each with its values."""
    settings = {}
    for line in path.read_text().splitlines():
        key, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            settings.setdefault(key, []).append(value)
    return settings


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_compiled_kernels_are_kept_where_the_daemon_may_write(unit):
    (folder,) = service(unit)["CacheDirectory"]
    assert service(unit)["Environment"] == [f"CUPY_CACHE_DIR=%C/{folder}/kernels"]


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_the_group_that_may_read_the_sockets_is_one_line_away(unit):
    assert "\n#Group=streamd-readers\n" in unit.read_text()
    assert service(unit)["RuntimeDirectoryMode"] == ["0750"]
