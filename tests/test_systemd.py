"""What the units promise the daemon, and what it needs; and what systemd itself says of them."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from streamd import service as installed

FOLDER = Path(__file__).parents[1] / "systemd"
UNITS = sorted(FOLDER.glob("*.service"))


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
    caches = f"CUPY_CACHE_DIR=%C/{folder}/kernels CUDA_CACHE_PATH=%C/{folder}/cuda"  # it has no home for them
    assert service(unit)["Environment"] == [caches]


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_the_group_that_may_read_the_sockets_is_one_line_away(unit):
    assert "\n#Group=streamd-readers\n" in unit.read_text()
    assert service(unit)["RuntimeDirectoryMode"] == ["0750"]


@pytest.fixture(scope="session")
def analyze(tmp_path_factory):
    """Runs systemd-analyze; returns its exit code and what it said."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("no systemd-analyze: apt install systemd")
    environment = {**os.environ, "XDG_RUNTIME_DIR": str(tmp_path_factory.mktemp("run"))}

    def run(*arguments):
        command = ["systemd-analyze", "--no-pager", *map(str, arguments)]
        done = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, env=environment
        )
        return done.returncode, done.stdout

    return run


@pytest.fixture
def write(tmp_path):
    """Writes a unit as it would be installed, for a program that is there; returns its path."""

    def write(kind):
        credentials = () if kind == "user" else ("front-door:/etc/streamd/front-door",)
        unit = installed.unit(kind, Path(shutil.which("true")), None, credentials)
        return installed.write(unit, tmp_path)[0]

    return write


@pytest.mark.parametrize("kind", installed.UNITS)
def test_systemd_finds_no_fault_in_a_unit(analyze, write, kind):
    assert analyze(*(("--user",) if kind == "user" else ()), "verify", write(kind)) == (0, "")


@pytest.mark.parametrize("kind", ["system", "template"])
def test_its_exposure_is_at_most_3(analyze, write, kind):
    code, said = analyze("security", "--offline=true", "--threshold=30", write(kind))
    assert code == 0, said
    assert float(re.search(r"exposure level for .*: ([0-9.]+)", said)[1]) <= 3.0


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_of_devices_only_nvidia_s_are_there(unit):
    assert service(unit)["DevicePolicy"] == ["closed"]
    assert all(line.startswith("char-nvidia") for line in service(unit)["DeviceAllow"])


@pytest.mark.parametrize("unit", [*UNITS, FOLDER / "user/streamd.service"], ids=lambda path: str(path.parent.name))
def test_it_is_told_of_readiness_and_watched(unit):
    found = service(unit)
    assert (found["Type"], found["NotifyAccess"], found["WatchdogSec"]) == (["notify"], ["main"], ["60s"])
    assert "streamd reload --pid $MAINPID" in found["ExecReload"][0]
    assert found["ExecReload"][0].split()[-1] == found["ExecStart"][0].split()[-1]


def test_no_folder_of_one_service_lies_in_that_of_another():
    """`DynamicUser=` has systemd make links of them, and a link in a link it refuses to start: 238/STATE_DIRECTORY."""
    folders = [service(unit)[f"{kind}Directory"][0] for unit in UNITS for kind in ("Runtime", "State", "Cache")]
    assert folders == ["streamd"] * 3 + ["streamd-%i"] * 3


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_the_service_does_not_own_its_configuration(unit):
    assert "ConfigurationDirectory" not in service(unit)


def test_every_setting_that_is_explained_is_in_a_unit():
    text = "".join(path.read_text() for path in FOLDER.rglob("*.service"))
    assert all(f"\n{key}=" in text or f"\n#{key}=" in text for key in installed.MEANINGS)
    assert sys.executable not in text
