"""`streamd service install`, for a user: all that it needs, and the unit last, or nothing at all."""

import sys

import pytest
from click.testing import CliRunner

from streamd.cli import group


@pytest.fixture
def home(tmp_path, monkeypatch):
    """Where the configuration of a user is who has streamd installed."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/streamd").touch()
    monkeypatch.setattr(sys, "executable", str(tmp_path / "bin/python"))
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home))
    return home


def install(*options):
    return CliRunner().invoke(group, ["service", "install", "--user", *options])


def test_the_unit_and_the_folder_of_its_configuration_are_there(home):
    done = install()
    assert done.exit_code == 0, done.output
    assert "ExecStart=" in (home / "systemd/user/streamd.service").read_text()
    assert (home / "streamd").is_dir()
    assert f"next: write {home}/streamd/streamd.yaml" in done.stdout
    assert "streamd.service: is there already\n" in install().stdout


def test_nothing_is_installed_where_the_configuration_has_no_place(home):
    (home / "streamd").touch()
    done = install()
    assert done.exit_code == 1
    assert done.stderr == f"streamd: cannot make {home}/streamd: File exists; use sudo, or --user\n"
    assert [path.name for path in home.iterdir()] == ["streamd"]


def test_a_unit_elsewhere_needs_no_folder_of_a_configuration(home):
    assert install("--folder", str(home / "units")).exit_code == 0
    assert [path.name for path in home.iterdir()] == ["units"]
