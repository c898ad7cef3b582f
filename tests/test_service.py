import errno
from pathlib import Path

import pytest

from streamd import service
from streamd.errors import DataError

PROGRAM = Path("/srv/streamd/bin/streamd")


@pytest.mark.parametrize("kind", service.UNITS)
def test_a_unit_runs_this_installation(kind):
    made = service.unit(kind, PROGRAM)
    assert service.PROGRAM not in made.text.replace("#   install:", "")
    assert f"ExecStart={PROGRAM} serve {service.CONFIGS[kind]}\n" in made.text


def test_a_configuration_elsewhere_is_checked_served_and_reloaded():
    text = service.unit("system", PROGRAM, Path("/srv/cams.yaml")).text
    assert service.CONFIGS["system"] not in [line.split()[-1] for line in text.splitlines() if line.startswith("Exec")]
    assert sum(line.startswith("Exec") and line.endswith(" /srv/cams.yaml") for line in text.splitlines()) == 3


def test_credentials_are_loaded():
    text = service.unit("system", PROGRAM, credentials=("a:/etc/a", "b:/etc/b")).text
    assert "\nLoadCredential=a:/etc/a\nLoadCredential=b:/etc/b\nExecStartPre=" in text


@pytest.mark.parametrize("credential", ["a", "a:b", "a/b:/c", ":/c", "a:/with blank", "a:/x\nExecStart=/bin/sh"])
def test_a_credential_that_systemd_would_misread_is_refused(credential):
    with pytest.raises(DataError, match="write NAME:/ABSOLUTE/PATH"):
        service.unit("system", PROGRAM, credentials=(credential,))


@pytest.mark.parametrize("path", ["relative/streamd", "/with blank/streamd", "/with%h/streamd", "/x\ny"])
def test_a_path_that_systemd_would_misread_is_refused(path):
    with pytest.raises(DataError, match="an absolute path"):
        service.unit("system", Path(path))


def test_what_the_service_cannot_see_is_refused():
    with pytest.raises(DataError, match="ProtectHome"):
        service.unit("system", Path("/home/me/.venv/bin/streamd"))
    service.unit("user", Path("/home/me/.venv/bin/streamd"))


def test_a_unit_that_says_otherwise_is_kept(tmp_path):
    made = service.unit("system", PROGRAM)
    assert service.write(made, tmp_path / "new") == (tmp_path / "new/streamd.service", True)
    assert service.write(made, tmp_path / "new") == (tmp_path / "new/streamd.service", False)
    (tmp_path / "streamd.service").write_text("mine")
    with pytest.raises(DataError, match="says otherwise"):
        service.write(made, tmp_path)
    assert (tmp_path / "streamd.service").read_text() == "mine"
    assert service.write(made, tmp_path, force=True)[1]


def test_its_settings_are_explained():
    explained = dict(service.unit("system", PROGRAM).meanings())
    assert {"Type", "WatchdogSec", "DynamicUser", "DevicePolicy", "ExecReload"} <= explained.keys()
    assert "LoadCredential" not in explained
    assert "DynamicUser" not in dict(service.unit("user", PROGRAM).meanings())


def test_the_folder_of_the_configuration_is_made(tmp_path):
    made = service.unit("user", PROGRAM)
    for new in (True, False):
        assert service.write(made, tmp_path / "units", tmp_path / "etc/streamd")[1] is new
        assert (tmp_path / "etc/streamd").is_dir()


@pytest.mark.parametrize("configs", ["file/streamd", "file", "new/" + "x" * 300])
def test_no_unit_is_left_where_the_folder_of_the_configuration_cannot_be_made(tmp_path, configs):
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match=r"cannot make .*: (Not a directory|File exists|File name too long); use sudo"):
        service.write(service.unit("user", PROGRAM), tmp_path / "units", tmp_path / configs)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("fault", ["disk", "folder"])
def test_no_folder_is_left_where_the_unit_cannot_be_written(tmp_path, monkeypatch, fault):
    def full(path, data):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(service.output, "write", full)
    (tmp_path / "file").touch()
    units = tmp_path / ("file/units" if fault == "folder" else "units/systemd")
    with pytest.raises(DataError, match=r"cannot (make|write) .*; use sudo"):
        service.write(service.unit("user", PROGRAM), units, tmp_path / "etc/streamd")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_what_was_there_stays_where_the_unit_cannot_be_written(tmp_path):
    (tmp_path / "etc").mkdir()
    (tmp_path / "units/streamd.service").mkdir(parents=True)
    with pytest.raises(DataError, match=r"cannot read .*: Is a directory"):
        service.write(service.unit("user", PROGRAM), tmp_path / "units", tmp_path / "etc/streamd", force=True)
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")) == [
        "etc",
        "units",
        "units/streamd.service",
    ]
