import json
import os
from pathlib import Path

import pytest

from streamd import config
from streamd.errors import ConfigError

MINIMAL = """\
models:
  street:
    path: street.onnx
cameras:
  front:
    uri: clip.mp4
    model: street
"""


@pytest.fixture
def folder(tmp_path):
    """A folder with the files that MINIMAL names."""
    (tmp_path / "street.onnx").write_bytes(b"model")
    (tmp_path / "clip.mp4").write_bytes(b"clip")
    return tmp_path


@pytest.fixture
def load(folder):
    """Load a text as `cams.yaml` of the folder."""

    def load(text, **env):
        path = folder / "cams.yaml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return config.load(path, env)

    return load


@pytest.fixture
def faults(load, folder):
    """The findings of a text, one `LINE:COLUMN: KEY: MESSAGE` each."""

    def faults(text, **env):
        with pytest.raises(ConfigError) as caught:
            load(text, **env)
        return [str(finding).removeprefix(f"{folder}/cams.yaml:") for finding in caught.value.findings]

    return faults


def front(line):
    """MINIMAL with one line more in its camera, which stands on line 8."""
    return f"{MINIMAL}    {line}\n"


def street(line):
    """MINIMAL with one line more in its model, which stands on line 4."""
    return MINIMAL.replace("street.onnx\n", f"street.onnx\n    {line}\n", 1)


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


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("rstp://h/s", "nothing is known of rstp://; did you mean `rtsp`?"),
        ("gopher://h/s", "there are rtsp://"),
        ("rtsp://", "names no host; write rtsp://HOST/PATH"),
        ("rtsp:///s", "names no host"),
        ("rtsp:h/s", "has no `//` after rtsp:"),
        ("rtsp://h:99999/s", "has the port 99999"),
        ("rtsp://u:pa/ss@h/s", "write %2F for /"),
        ("rtsp://h/a b", "holds a blank"),
        ("nowhere.mp4", "there is no file"),
        ("file:///nowhere.mp4", "there is no file"),
        (".", "is a folder; name a file in it"),
        ("bundled:nowhere.mp4", "streamd brings no file 'nowhere.mp4'"),
        ("bundled:../config/__init__.py", "streamd brings no file"),
        ("'a\\0b'", "there is no file"),
        ('"a\\0b"', "there is no file"),
        ("''", "is empty; give it something to hold; for example `uri: rtsp://"),
        ("12", "expected text, got 12"),
    ],
)
def test_a_bad_address_is_told(faults, address, words):
    (found,) = faults(MINIMAL.replace("clip.mp4", address))
    assert found.startswith("6:5: cameras.front.uri: ")
    assert words in found


def test_a_pipe_is_told_since_opening_it_would_wait(faults, folder):
    os.mkfifo(folder / "pipe.mp4")
    (found,) = faults(MINIMAL.replace("clip.mp4", "pipe.mp4"))
    assert "is a pipe or a device; name a regular file" in found


@pytest.mark.parametrize(
    "address", ["rtsp://u:p@h/s", "https://h/v.mp4", "scenes", "scenes:?seed=3", "clip.mp4", "file:clip.mp4"]
)
def test_a_good_address_is_taken(load, address):
    assert load(MINIMAL.replace("clip.mp4", address)).cameras["front"].uri.get_secret_value() == address


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("nowhere.onnx", "there is no file"),
        ("clip.mp4", "ends in neither of .onnx and .engine"),
        ("street.engine", "device: cuda:0"),
    ],
)
def test_a_bad_model_file_is_told(faults, path, words):
    found = faults(MINIMAL.replace("street.onnx", path))
    assert any(words in each for each in found)


ON_START = MINIMAL.replace("street.onnx", "street.engine\n    device: cuda:0\n    build: on-start")


def test_an_engine_that_will_be_built_need_not_be_there(load, folder):
    assert not (folder / "street.engine").exists()
    assert load(ON_START).models["street"].build == "on-start"


def test_an_engine_that_cannot_be_built_is_told(faults, folder):
    (found,) = faults(ON_START.replace("street.engine", "yard.engine"))
    assert "models.street.path: is not there, and cannot be built: there is no file" in found and "yard.onnx" in found
    (folder / "away").mkdir()
    (folder / "away" / "m.onnx").symlink_to(folder / "street.onnx")
    (folder / "away" / "m.engine").mkdir()
    (found,) = faults(ON_START.replace("street.engine", "away/m.engine"))
    assert "m.engine is a folder" in found


def test_only_an_engine_is_built(faults):
    (found,) = faults(ON_START.replace("street.engine", "street.onnx"))
    assert "models.street.build: only an engine is built; write `path: NAME.engine`" in found


def test_a_camera_whose_model_does_not_exist_is_told_of_the_nearest(faults):
    found = faults(MINIMAL.replace("model: street", "model: stret"))
    assert found == [
        "2:3: models.street: warning: no camera uses this model; it is not loaded",
        "7:5: cameras.front.model: there is no model 'stret'; did you mean `street`?",
    ]


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


def test_an_unused_model_is_a_warning_and_no_error(load):
    settings = load(MINIMAL.replace("models:\n", "models:\n  other: {path: street.onnx}\n"))
    (warning,) = settings.warnings
    assert (warning.severity, warning.line, warning.key) == ("warning", 2, "models.other")


def test_faults_of_every_kind_come_at_once_and_in_order(faults):
    text = MINIMAL.replace("clip.mp4", "rstp://h/${NOWHERE:-}").replace("model: street", "model: stret")
    found = faults(f"{text}    every: x\n  front: {{}}\npublish: {{detections: {{bind: 'tcp://*:1'}}}}\nlogg: {{}}\n")
    keys = [each.split(": ")[1] for each in found]
    assert keys == [
        "models.street", "cameras.front.uri", "cameras.front.model", "cameras.front.every", "cameras.front",
        "publish.detections.bind", "logg",
    ]  # fmt: skip


@pytest.mark.parametrize("labels", [["car"], []])
def test_classes_are_checked_against_a_manifest(load, faults, folder, labels):
    manifest = {"head": "yolov8", "labels": ["car", *labels], "input": {"name": "x", "width": 8, "height": 8}}
    (folder / "street.json").write_text(json.dumps(manifest))
    assert load(street("classes: [car]"))
    (found,) = faults(street("classes: [car, cat]"))
    assert "models.street.classes[1]: the model knows no class 'cat'; did you mean `car`?" in found


def test_classes_are_checked_against_an_engine_s_own_manifest(faults, folder):
    manifest = {"head": "yolov8", "labels": ["car"], "input": {"name": "x", "width": 8, "height": 8}}
    (folder / "street.engine.json").write_text(json.dumps(manifest))
    (folder / "street.engine").write_bytes(b"a plan")
    text = street("classes: [cat]").replace("street.onnx", "street.engine\n    device: cuda:0")
    (found,) = faults(text)
    assert "models.street.classes[0]: the model knows no class 'cat'" in found


def test_a_broken_manifest_is_told(faults, folder):
    (folder / "street.json").write_text("{")
    (found,) = faults(MINIMAL)
    assert found.startswith("3:5: models.street.path: ")
    assert "street.json" in found


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
