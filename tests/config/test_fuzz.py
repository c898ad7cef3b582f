"""Any file at all gives a configuration that says the same when written out, or one error that a user can mend."""

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from pydantic import BaseModel, SecretStr

from streamd import config
from streamd.errors import ConfigError
from tests.documents import documents

ENV = {"SET": "a b@c"}
FUZZ = settings(
    derandomize=True, database=None, deadline=None, max_examples=200, suppress_health_check=list(HealthCheck)
)


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """The path of a file in a folder with what it may name."""
    folder = tmp_path_factory.mktemp("fuzz")
    for name in ("street.onnx", "clip.mp4"):
        (folder / name).write_bytes(b"there")
    return folder / "cams.yaml"


def plain(value):
    """What a configuration says, as a file would."""
    if isinstance(value, BaseModel):
        return {key: plain(getattr(value, key)) for key in type(value).model_fields}
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, tuple):
        return [plain(each) for each in value]
    if isinstance(value, SecretStr):
        return plain(value.get_secret_value())
    return str(value).replace("${", "$${") if isinstance(value, str | Path) else value


def hold(error, file):
    """Each finding names the file, the place in it or that there is none, and says in one line what is wrong."""
    assert error.findings
    for finding in error.findings:
        assert finding.file == str(file)
        assert finding.line > 0 or not finding.key
        assert len(finding.message) > 10 and finding.message.isprintable(), finding
        assert "pydantic" not in finding.message and "Error" not in finding.message
        assert str(finding).startswith(f"{file}:")


def test_every_file_is_loaded_or_refused_in_words(file):
    seen = {"loaded": 0, "refused": 0}

    @FUZZ
    @given(documents())
    def load(data):
        try:
            found = config.parse(data, file, ENV)
        except ConfigError as error:
            seen["refused"] += 1
            hold(error, file)
            return
        seen["loaded"] += 1
        again = config.parse(json.dumps(plain(found)).encode(), file, {})
        assert plain(again) == plain(found)

    load()
    assert min(seen.values()) > 20, seen  # neither is all that is tried


def test_what_a_terminal_would_not_show_is_told_so_that_it_is_seen(file):
    text = "models: {m: {path: street.onnx}}\ncameras: {a: {model: m, uri: 'rts\ufeffps://h/s'}}\n"
    with pytest.raises(ConfigError, match=r"nothing is known of rts\\ufeffps://"):
        config.parse(text.encode(), file, {})


@pytest.mark.parametrize(
    "text",
    [
        "a: &a [x, x]\n"
        + "".join(f"{chr(97 + n)}: &{chr(97 + n)} [*{chr(96 + n)}, *{chr(96 + n)}]\n" for n in range(1, 25)),
        "[" * 100_000,
        "{a: " * 50_000,
        "a: " * 100_000,
        "&a " * 100_000,
        "- " * 300_000,
        "? " * 300_000,
        "x: '" + "''" * 400_000,
        "\n" * 1_000_000,
        "cameras: {" + ", ".join(f"c{n}: 1" for n in range(6_000)) + "}",
    ],
    ids=["laughs", "lists", "mappings", "keys", "anchors", "items", "questions", "quotes", "lines", "cameras"],
)
@pytest.mark.timeout(60)
def test_what_is_made_to_take_for_ever_is_refused(text, file):
    with pytest.raises(ConfigError) as caught:
        config.parse(text.encode(), file, {})
    assert caught.value.findings
