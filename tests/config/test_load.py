from pathlib import Path

import pytest

from streamd import config
from streamd.errors import ConfigError
from tests.config.minimal import MINIMAL, front, street


def test_a_minimal_file_has_the_defaults(load, folder):
    settings = load(MINIMAL)
    assert settings.models["street"].max_wait == 0.005
    assert settings.publish.video.bind == "tcp://127.0.0.1:5556"
    assert settings.base == folder
    assert settings.warnings == ()


def test_values_with_units_are_read(load):
    settings = load(MINIMAL + "drain_timeout: 1m\npublish: {video: {bitrate: 2M, keyframe_interval: 500ms}}\n")
    assert (settings.drain_timeout, settings.publish.video.bitrate) == (60, 2_000_000)
    assert settings.publish.video.keyframe_interval == 0.5


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("urii: x", "no such key; did you mean `uri`?"),
        ("zzz: x", "no such key; the keys here are uri, model,"),
        ("transport: TCP", "expected tcp or udp, got 'TCP'; did you mean `tcp`?"),
        ("every: 0", "must be at least 1, got 0; for example `every: 2`"),
        ("every: two", "expected a whole number, got 'two'"),
        ("every: true", "expected a number, got true"),
        ("every: 1.5", "expected a whole number, got 1.5"),
        ("loop: perhaps", "expected true or false, got 'perhaps'"),
        ("open_timeout: 5 parsecs", "expected a duration such as 250ms"),
        ("open_timeout: 0s", "must be more than 0"),
        ("reconnect: {maximum: 99999999h}", "expected 8784h at most"),
        ("reconnect: 5s", "expected a mapping of keys, got '5s'"),
        ("reconnect: {initial: 1m}", "the first wait is longer than the longest"),
        ("reconnect: {initial: [1]}", "expected a duration"),
        ("password_file: 7", "expected a path, got 7"),
        ("password_file: nowhere", "a file needs no password"),
    ],
)
def test_a_wrong_key_or_value_is_told_with_its_place_and_mend(faults, line, words):
    assert any(each.startswith("8:") and words in each for each in faults(front(line)))


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("batch: 257", "models.street.batch: must be at most 256, got 257"),
        ("confidence: high", "expected a number, got 'high'"),
        ("device: gpu", "no device is called 'gpu'; write cpu, or cuda:0"),
        ("classes: [person, 12]", "models.street.classes[1]: expected text, got 12; put it in quotes"),
        ("classes: []", "is empty"),
        ("classes: person", "expected a list, got 'person'; for example `classes: [person, car]`"),
    ],
)
def test_a_wrong_model_is_told(faults, line, words):
    (found,) = faults(street(line))
    assert found.startswith("4:")
    assert words in found


def test_two_cameras_of_one_name_are_told(faults):
    (found,) = faults(f"{MINIMAL}  front:\n    uri: clip.mp4\n    model: street\n")
    assert found == "8:3: cameras.front: stands here twice, first on line 5; keep one"


def test_a_name_that_cannot_be_a_topic_is_told(faults):
    (found,) = faults(MINIMAL.replace("front:", "front/door:"))
    assert found.startswith("5:3: cameras.front/door: a name is letters")


def test_missing_keys_are_told_where_they_should_stand(faults):
    found = [each for each in faults("models: {street: {}}\ncameras:\n  front: {}\n") if "warning" not in each]
    assert [each.split(": ")[1] for each in found] == ["models.street.path", "cameras.front.uri", "cameras.front.model"]
    assert found[0].startswith("1:10:")
    assert "is missing; for example `path: models/street.onnx`" in found[0]


def test_faults_of_every_kind_come_at_once_and_in_order(faults):
    text = MINIMAL.replace("clip.mp4", "rstp://h/${NOWHERE:-}").replace("model: street", "model: stret")
    found = faults(f"{text}    every: x\n  front: {{}}\npublish: {{detections: {{bind: 'tcp://*:1'}}}}\nlogg: {{}}\n")
    keys = [each.split(": ")[1] for each in found]
    assert keys == [
        "models.street", "cameras.front.uri", "cameras.front.model", "cameras.front.every", "cameras.front",
        "publish.detections.bind", "logg",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "is empty"),
        (b"# nothing\n", "is empty"),
        (b"- a\n- b\n", ":1:1: is a list at the top"),
        (b"hello\n", ":1:1: is a single value at the top"),
        (b"\x00\x01\x02", "is this a text file?"),
        (b"\x89PNG\r\n\x1a\n" * 9, "is not UTF-8 text from line 1 on"),
        (b"a: 1\nb: \xff\n", "is not UTF-8 text from line 2 on"),
        (b"models:\n\tstreet: 1\n", ":2:1: "),
        (b"a: b: c\n", ":1:5: "),
        (b"#" * (10 << 20), "is larger than 1 MiB"),
        (b"a: 1\n---\nb: 2\n", "second document"),
    ],
)
def test_what_is_no_configuration_gets_one_line(load, folder, data, words):
    with pytest.raises(ConfigError) as caught:
        load(data)
    (line,) = str(caught.value).splitlines()
    assert line.startswith(f"{folder}/cams.yaml")
    assert words in line


@pytest.mark.parametrize(("name", "words"), [("nowhere.yaml", "no such file"), ("", "is a folder"), ("a\0b", "NUL")])
def test_what_cannot_be_read_gets_one_line(tmp_path, name, words):
    with pytest.raises(ConfigError, match=words):
        config.load(tmp_path / name, {})


def test_a_byte_order_mark_does_no_harm(load):
    assert load(b"\xef\xbb\xbf" + MINIMAL.encode()).cameras


def test_bundled_files_and_relative_ones_are_located():
    assert config.locate("a/b.mp4", Path("/etc/streamd")) == Path("/etc/streamd/a/b.mp4")
    assert config.locate("/a/b.mp4", Path("/etc/streamd")) == Path("/a/b.mp4")
    assert config.locate("bundled:b.mp4", Path("/etc/streamd")).parts[-2:] == ("assets", "b.mp4")


def test_the_pages_of_a_file_are_found_whatever_else_is_wrong_with_it(tmp_path):
    path = tmp_path / "cams.yaml"
    path.write_text("models: 1\ncameras: {a: {uri: '${UNSET}'}}\nmetrics: {bind: '127.0.0.1:1', token_file: none}\n")
    found = config.pages(path, {})
    assert (found.bind, found.token_file) == ("127.0.0.1:1", Path("none"))
    path.write_text("metrics:\nmodels: 1\n")
    assert config.pages(path, {}) is None


@pytest.mark.parametrize("section", ["{bind: 1}", "7", "{bind: '${UNSET}'}"])
def test_pages_that_mean_nothing_are_faults_as_ever(tmp_path, section):
    (tmp_path / "cams.yaml").write_text(f"metrics: {section}\n")
    with pytest.raises(ConfigError, match=r"cams.yaml:1:.*metrics"):
        config.pages(tmp_path / "cams.yaml", {})


@pytest.mark.parametrize(
    "text",
    [
        "cameras:\n  rtsp://viewer:hid den@host/: {uri: clip.mp4, model: street}\n",
        "cameras:\n  a: {uri: clip.mp4, model: 'rtsp://viewer:hid den@host/'}\n",
        "cameras: 'rtsp://viewer:hid den@host/'\n",
        "cameras:\n  a: {uri: 'viewer:hid den@host/stream', model: street}\n",
    ],
)
def test_an_address_in_a_wrong_place_shows_no_password(load, text):
    with pytest.raises(ConfigError) as error:
        load(f"models:\n  street: {{path: street.onnx}}\n{text}")
    assert "hid den" not in str(error.value) and "cameras" in str(error.value)
