from urllib.parse import unquote, urlsplit

import pytest

from streamd import config
from streamd.decode.address import address
from streamd.errors import ConfigError, SourceError

PASSWORDS = ["secret", "a.b", "50%", "p@ss", "a/b", "a:b", "a#b", "a?b&c", ".%@/:#", "%41", "pässwört"]


@pytest.mark.parametrize("password", PASSWORDS)
def test_a_password_file_reaches_the_target_percent_encoded_and_is_never_shown(password, tmp_path):
    (tmp_path / "secret").write_text(password + "\n", encoding="utf-8")
    place = address(
        config.Camera(uri="rtsp://viewer@192.0.2.10:8554/stream1?channel=1", model="m", password_file="secret"),
        tmp_path,
    )
    parts = urlsplit(place.target)
    assert unquote(parts.password) == password
    assert (parts.username, parts.hostname, parts.port, parts.path) == ("viewer", "192.0.2.10", 8554, "/stream1")
    assert place.shown == "rtsp://192.0.2.10:8554/stream1"
    assert "viewer" not in repr(place)


def test_a_missing_password_file_is_named(tmp_path):
    with pytest.raises((ConfigError, SourceError), match="nowhere"):
        address(config.Camera(uri="rtsp://viewer@h/", model="m", password_file="nowhere"), tmp_path)


@pytest.mark.parametrize(
    ("uri", "scheme"),
    [
        ("rtsp://h/1", "rtsp"),
        ("RTSPS://h/1", "rtsps"),
        ("https://h/1.m3u8", "https"),
        ("clips/a.mp4", "file"),
        ("scenes:?seed=1", "scenes"),
        ("scenes:", "scenes"),
        ("scenes", "scenes"),
        ("file:clips/a.mp4", "file"),
        ("file:///clips/a.mp4", "file"),
        ("bundled:street.mp4", "file"),
    ],
)
def test_the_scheme_chooses_the_source(uri, scheme, tmp_path):
    assert address(config.Camera(uri=uri, model="m"), tmp_path).scheme == scheme


@pytest.mark.parametrize("written", ["a.mp4", "file:a.mp4", "file://{}/a.mp4", "{}/a.mp4"])
def test_a_file_is_opened_where_the_configuration_found_it(written, tmp_path):
    place = address(config.Camera(uri=written.format(tmp_path), model="m"), tmp_path)
    assert place.target == str(tmp_path / "a.mp4")


def test_a_uri_without_a_host_names_the_camera(camera):
    with pytest.raises(SourceError, match="camera front: no host"):
        camera("rtsp:///stream")


def test_a_scheme_nobody_reads_is_an_error(camera):
    with pytest.raises(SourceError, match="gopher"):
        camera("gopher://h/1")
