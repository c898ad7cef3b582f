"""configs/cams.yaml is the reference: it holds every key, the defaults it states are the real ones, and it runs."""

import json
from pathlib import Path

import pytest
from pydantic import BaseModel

from streamd import bundled, config, yamlfile
from streamd.config.faults import _section

CONFIGS = Path(__file__).parents[2] / "configs"
EXAMPLES = {  # what stands in the file as an example, for it has no default or is off by default
    "models", "cameras", "metrics", "models.street.path", "cameras.street.uri", "cameras.street.model",
}  # fmt: skip


def keys(model, path=()):
    """Every key of the models, at the place where the reference has it."""
    for name, field in model.model_fields.items():
        here = (*path, name)
        yield here, field
        named = {"models": ("street",), "cameras": ("street",)}.get(name, ())
        section = _section(config.Config, (*here, *named))
        if section is not None:
            yield from keys(section, (*here, *named))


def at(tree, path):
    for part in path:
        tree = tree[part] if isinstance(tree, dict) else getattr(tree, part)
    return tree


@pytest.fixture(scope="module")
def tree():
    return yamlfile.read((CONFIGS / "cams.yaml").read_text()).value


@pytest.mark.parametrize(
    "path", [path for path, _ in keys(config.Config) if path[:2] != ("publish", "file")], ids=".".join
)
def test_every_key_stands_in_the_reference(tree, path):
    at(tree, path)


def test_the_keys_of_what_is_off_by_default_stand_in_its_comments():
    text = (CONFIGS / "cams.yaml").read_text()
    assert "  # file:\n" in text
    assert all(f"  #   {key}: " in text for key in config.FileSink.model_fields)


@pytest.mark.parametrize(
    ("path", "field"),
    [
        pytest.param(path, field, id=".".join(path))
        for path, field in keys(config.Config)
        if ".".join(path) not in EXAMPLES and path[:3] != ("publish", "file", "path")
    ],
)
def test_every_stated_default_is_the_real_one(tree, path, field):
    stated = type("Stated", (BaseModel,), {"__annotations__": {"key": field.rebuild_annotation()}})
    assert stated.model_validate({"key": at(tree, path)}).key == field.default


@pytest.mark.parametrize("name", ["cams.yaml", "demo.yaml"])
def test_the_files_are_valid_as_they_stand(name):
    if not (bundled.folder("assets") / "street.onnx").exists():
        pytest.skip("streamd/assets/street.onnx is missing")
    assert config.load(CONFIGS / name, {}).warnings == ()


@pytest.mark.parametrize("name", ["cams.yaml", "demo.yaml"])
def test_the_files_name_their_schema_to_editors(name):
    first = (CONFIGS / name).read_text().splitlines()[0]
    assert first == "# yaml-language-server: $schema=streamd.schema.json"


def test_the_schema_file_is_what_the_command_prints():
    said = "run `streamd schema config > configs/streamd.schema.json`"
    assert json.loads((CONFIGS / "streamd.schema.json").read_text()) == config.schema(), said


@pytest.mark.parametrize(("path", "field"), [pytest.param(*each, id=".".join(each[0])) for each in keys(config.Config)])
def test_every_key_is_described(path, field):
    assert field.description.endswith(".")
