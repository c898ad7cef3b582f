import pytest

from streamd import config
from streamd.errors import ConfigError

PASSWORDS = ["a.b.c.d", "50%off", "p@ss@word", "a/b/c/d", "a:b:c:d", "a#b#c#d", ".%@/:#?"]


@pytest.fixture
def load(tmp_path):
    """Load a file with one camera, whose keys are the lines given."""
    (tmp_path / "street.onnx").write_bytes(b"model")

    def load(*lines, **env):
        keys = "".join(f"    {line}\n" for line in lines)
        path = tmp_path / "cams.yaml"
        path.write_text(f"models: {{street: {{path: street.onnx}}}}\ncameras:\n  front:\n    model: street\n{keys}")
        return config.load(path, env)

    return load


def address(settings):
    return settings.cameras["front"].uri.get_secret_value()


@pytest.mark.parametrize(
    ("text", "env", "expected"),
    [
        ("rtsp://${HOST}/s", {"HOST": "h"}, "rtsp://h/s"),
        ("rtsp://${HOST:-h}/s", {}, "rtsp://h/s"),
        ("rtsp://${HOST:-h}/s", {"HOST": ""}, "rtsp://h/s"),
        ("rtsp://${HOST:-h}/s", {"HOST": "g"}, "rtsp://g/s"),
        ("rtsp://h/$${HOST}$x", {}, "rtsp://h/${HOST}$x"),
        ("rtsp://h/${A}${B:-}c", {"A": "${B}"}, "rtsp://h/${B}c"),
        ("${URI}", {"URI": "rtsp://u:p@h/s"}, "rtsp://u:p@h/s"),
    ],
)
def test_variables_are_filled_in(load, text, env, expected):
    assert address(load(f"uri: {text}", **env)) == expected


def test_a_variable_may_stand_for_a_number(load):
    assert load("uri: rtsp://h/s", "every: ${EVERY}", EVERY="3").cameras["front"].every == 3


def test_a_missing_variable_is_the_only_fault_of_its_value(load):
    with pytest.raises(ConfigError) as caught:
        load("uri: ${NOWHERE}", "every: ${NOWHERE}")
    assert [finding.message for finding in caught.value.findings] == [
        "the variable NOWHERE is not set; set it, or write ${NOWHERE:-default}"
    ] * 2


@pytest.mark.parametrize("text", ["${", "${}", "${1A}", "${A-b}", "${A"])
def test_what_begins_no_variable_is_told(load, text):
    with pytest.raises(ConfigError, match="begins no variable; write"):
        load(f"uri: 'rtsp://h/{text}'")


@pytest.mark.parametrize("password", PASSWORDS)
def test_a_password_from_the_environment_may_hold_anything(load, password):
    settings = load("uri: rtsp://viewer:${PASSWORD}@h/s", PASSWORD=password)
    assert password in config.secrets(settings)
    assert address(settings).endswith("@h/s")


def test_a_password_that_is_encoded_already_is_not_encoded_again(load):
    assert config.secrets(load("uri: rtsp://viewer:${P}@h/s", P="p%40ss")) == ("p%40ss", "p@ss")


@pytest.mark.parametrize("password", PASSWORDS)
def test_neither_repr_nor_str_nor_json_shows_a_password(load, password):
    settings = load("uri: rtsp://viewer:${PASSWORD}@h/s", PASSWORD=password)
    for text in (repr(settings), str(settings), settings.model_dump_json()):
        assert password not in text
        assert "viewer" not in text


@pytest.mark.parametrize("password", PASSWORDS)
@pytest.mark.parametrize(
    "line", ["uri: gopher://u:{}@h/s", "uri: [rtsp://u:{}@h/s]", "model: rtsp://u:{}@h", "pace: rtsp://u:{}@h"]
)
def test_no_finding_shows_a_password(load, line, password):
    with pytest.raises(ConfigError) as caught:
        load("uri: 'rtsp://h:99999'", "every: 0", line.format("${P}"), P=password)
    assert password not in str(caught.value)


def test_a_password_file_is_read_for_the_log_to_hide(load, tmp_path):
    (tmp_path / "front").write_text("p@ss/w:rd\n")
    (tmp_path / "front").chmod(0o600)
    settings = load("uri: rtsp://viewer@h/s", "password_file: front")
    assert config.secrets(settings) == ("p@ss/w:rd",)
    assert settings.warnings == ()


def test_a_password_file_that_all_can_read_is_a_warning(load, tmp_path):
    (tmp_path / "front").write_text("p@ss/w:rd\n")
    (tmp_path / "front").chmod(0o644)
    (warning,) = load("uri: rtsp://viewer@h/s", "password_file: front").warnings
    assert "chmod o-r" in warning.message


@pytest.mark.parametrize(
    ("uri", "data", "words"),
    [
        ("rtsp://viewer@h/s", None, "No such file"),
        ("rtsp://viewer@h/s", b"", "does not hold one line of text"),
        ("rtsp://viewer@h/s", b"a\nb", "does not hold one line of text"),
        ("rtsp://viewer@h/s", b"\xff", "is not text"),
        ("rtsp://viewer@h/s", b"x" * 5000, "does not hold one line of text"),
        ("rtsp://viewer:old@h/s", b"new", "holds a password already"),
        ("rtsp://h/s", b"new", "names no user; write USER@ before its host"),
    ],
)
def test_a_password_file_that_is_of_no_use_is_told(load, tmp_path, uri, data, words):
    if data is not None:
        (tmp_path / "front").write_bytes(data)
    with pytest.raises(ConfigError, match=words):
        load(f"uri: {uri}", "password_file: front")


def test_a_password_file_whose_path_is_none_is_told(load):
    with pytest.raises(ConfigError, match="null byte"):
        load("uri: rtsp://viewer@h/s", 'password_file: "a\\0b"')
