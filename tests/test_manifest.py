import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from streamd import manifest
from streamd.errors import ModelError
from streamd.manifest import Built, Input, Manifest, Output

FULL = Manifest(
    head="yolov5",
    labels=("person", "car"),
    input=Input("images", 320, 240, "float16", "bgr", 1.0, (1.0, 2.0, 3.0), (4.0, 5.0, 6.0), "stretch", "top-left", 0),
    outputs=(Output("out", (-1, 4725, 7)),),
    batch=4,
    precision="int8",
    sha256="ab" * 32,
    anchors=((10, 13, 16, 30), (1, 2)),
    built=Built("10.3", "A10", "8.6", "cd" * 32),
    training={"seed": 1, "map": 0.5},
    quantization={"method": "entropy"},
)
BUILT = {"tensorrt": "10.3", "gpu": "", "compute_capability": "", "onnx_sha256": "cd"}
LEAST = {"head": "yolov8", "labels": ["person"], "input": {"name": "images", "width": 64, "height": 32}}


@pytest.fixture
def model(tmp_path):
    return tmp_path / "street.onnx"


def write(model, content):
    text = content if isinstance(content, bytes) else json.dumps(content).encode()
    manifest.beside(model).write_bytes(text)
    return model


def test_it_stands_beside_the_model(model):
    assert manifest.beside(model).name == "street.json"


def test_what_is_saved_is_loaded(model):
    assert manifest.save(FULL, model) == manifest.beside(model)
    assert manifest.load(model) == FULL


@pytest.fixture
def engine(tmp_path):
    return tmp_path / "street.engine"


def test_an_engine_and_its_onnx_file_have_one_each(model, engine):
    manifest.save(replace(FULL, built=None), model)
    assert manifest.load(engine) is None
    assert manifest.save(FULL, engine).name == "street.engine.json"
    assert manifest.load(engine) == FULL


@pytest.mark.parametrize("said", [{}, {"sha256": "ab", "built": {**BUILT, "gpu": "A10"}}])
def test_an_engine_may_have_one_by_the_plain_name(model, engine, said):
    found = manifest.load(write(model, LEAST | said) and engine)
    assert found.head == "yolov8"


def test_what_an_engine_was_built_by_may_say_less_or_more(engine):
    write(engine, LEAST | {"built": {**BUILT, "of a later version": 1}})
    assert manifest.load(engine).built == Built("10.3", "", "", "cd")


def test_a_model_without_one(model):
    assert manifest.load(model) is None


def test_the_least_a_manifest_says(model):
    found = manifest.load(write(model, LEAST))
    assert (found.input.colour, found.input.scale, found.input.pad, found.batch) == ("rgb", 1 / 255, 114, 0)


@pytest.mark.parametrize(("colour", "channels"), [("rgb", 3), ("bgr", 3), ("gray", 1)])
def test_channels_follow_the_colour(colour, channels):
    assert Input("x", 8, 8, colour=colour).channels == channels


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"colour": "red"}, "unknown field `colour`"),
        ({"head": "yolo"}, "Invalid enum value 'yolo' - at `$.head`"),
        ({"labels": "person"}, "Expected `array`, got `str` - at `$.labels`"),
        ({"batch": -1}, ">= 0"),
        ({"anchors": [[1, 2, 3]]}, "pairs of width and height"),
        ({"anchors": [[]]}, "pairs of width and height"),
        ({"input": {"name": "x", "width": 0, "height": 8}}, "0x8 pixels"),
        ({"input": {"name": "x", "width": 8, "height": 99999}}, "8x99999 pixels"),
        ({"input": {"name": "x", "width": 8, "height": 8, "pad": 256}}, "<= 255"),
        ({"input": {"name": "x", "width": 8, "height": 8, "mean": [1, 2]}}, "`mean` has 2 values"),
        ({"input": {"name": "x", "width": 8, "height": 8, "std": [0]}}, "`std` divides"),
        ({"input": {"name": "x", "width": 8, "height": 8, "size": 8}}, "unknown field `size`"),
        ({"v": 2, "new": 1}, "manifest of version 2, this is version 1; update streamd"),
    ],
)
def test_what_a_manifest_cannot_say(model, change, message):
    with pytest.raises(ModelError) as error:
        manifest.load(write(model, LEAST | change))
    assert str(error.value).startswith(f"{manifest.beside(model)}: ")
    assert message in str(error.value)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"head": "\xff"}', b"[" * 100_000])
def test_a_file_that_is_no_manifest(model, content):
    with pytest.raises(ModelError, match=r"street\.json: "):
        manifest.load(write(model, content))


@given(st.binary(max_size=200))
def test_any_bytes_are_a_manifest_or_a_model_error(tmp_path_factory, content):
    model = tmp_path_factory.getbasetemp() / "any.onnx"
    with pytest.raises(ModelError):
        manifest.load(write(model, content))


def test_one_that_cannot_be_read(model):
    manifest.beside(model).mkdir()
    with pytest.raises(ModelError, match="Is a directory; make the manifest readable"):
        manifest.load(model)


def test_one_that_cannot_be_written(tmp_path):
    with pytest.raises(ModelError, match="No such file or directory"):
        manifest.save(FULL, tmp_path / "gone" / "m.onnx")


def test_the_schema_names_every_key():
    assert set(manifest.schema()["$defs"]["Manifest"]["properties"]) == set(Manifest.__struct_fields__)
