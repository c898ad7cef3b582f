from pathlib import Path

import pytest

from streamd.cli import where
from streamd.errors import ClientError, ConfigError


def write(folder, metrics):
    path = folder / "cams.yaml"
    path.write_text(f"metrics: {metrics}\n" if metrics else "models: {}\n")
    return path


@pytest.mark.parametrize("said", ["127.0.0.1:9464", "http://127.0.0.1:9464", "http://127.0.0.1:9464/"])
def test_an_address_is_taken_as_it_is(said):
    assert where.pages(said) == ("127.0.0.1:9464", "")


def test_a_configuration_tells_address_and_token(tmp_path):
    (tmp_path / "token").write_text("let-me-in")
    assert where.pages(str(write(tmp_path, "{bind: '0.0.0.0:1', token_file: token}"))) == ("127.0.0.1:1", "let-me-in")


def test_the_token_is_read_where_another_process_sees_it(tmp_path):
    """As a process does that systemd shows no credentials: below /proc/PID/root of the one that has them."""
    path = write(tmp_path, "{bind: '127.0.0.1:1', token_file: '${CREDENTIALS}/token'}")
    theirs = tmp_path / "root/run/credentials/streamd.service"
    theirs.mkdir(parents=True)
    (theirs / "token").write_text("let-me-in")
    environment = {"CREDENTIALS": "/run/credentials/streamd.service"}
    assert where.pages(str(path), root=tmp_path / "root", environment=environment).token == "let-me-in"
    with pytest.raises(ConfigError, match="cannot be read"):
        where.pages(str(path), environment=environment)
    with pytest.raises(ConfigError, match="CREDENTIALS"):
        where.pages(str(path))


def test_a_relative_token_is_found_from_everywhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "token").write_text("let-me-in")
    write(tmp_path, "{bind: '127.0.0.1:1', token_file: token}")
    assert where.pages("cams.yaml", root=Path("/")).token == "let-me-in"


def test_without_pages_there_is_nobody_to_ask(tmp_path):
    with pytest.raises(ClientError, match="has no `metrics:`"):
        where.pages(str(write(tmp_path, "")))
