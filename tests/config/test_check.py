import json
import os

import pytest

from tests.config.minimal import MINIMAL, street


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


def test_an_unused_model_is_a_warning_and_no_error(load):
    settings = load(MINIMAL.replace("models:\n", "models:\n  other: {path: street.onnx}\n"))
    (warning,) = settings.warnings
    assert (warning.severity, warning.line, warning.key) == ("warning", 2, "models.other")


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
