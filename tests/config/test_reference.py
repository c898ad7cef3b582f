"""configs/cams.yaml is the reference: it holds every key, the defaults it states are the real ones, and it runs."""

import json
import shutil
from pathlib import Path

import pytest
from pydantic import BaseModel

from streamd import bundled, config, yamlfile
from streamd.config.faults import _section
from streamd.errors import ConfigError

CONFIGS = Path(__file__).parents[2] / "configs"
ENGINES = ("t4-l4.yaml", "consumer.yaml", "data-centre.yaml")  # for GPUs, with engines that their comments build
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


@pytest.mark.parametrize("name", ENGINES)
def test_an_example_for_a_gpu_lacks_its_engines_and_nothing_else(name, tmp_path):
    shutil.copy(CONFIGS / name, tmp_path)
    with pytest.raises(ConfigError) as error:
        config.load(tmp_path / name, {})
    paths = [model["path"] for model in yamlfile.read((CONFIGS / name).read_text()).value["models"].values()]
    missing = [f"there is no file {tmp_path / path}" for path in paths]
    assert all(said in str(fault) for said, fault in zip(missing, error.value.findings, strict=True))
    (tmp_path / "models").mkdir()
    for path in paths:
        (tmp_path / path).write_bytes(b"a plan")
    assert config.load(tmp_path / name, {}).warnings == ()


@pytest.mark.parametrize("name", ENGINES)
def test_an_example_for_a_gpu_runs_what_its_comment_builds(name):
    text = (CONFIGS / name).read_text()
    builds = [line.removeprefix("#").split() for line in text.splitlines() if line.startswith("#     streamd build")]
    models = yamlfile.read(text).value["models"].values()
    made = [(after(build, "--out") or str(Path(build[2]).with_suffix(".engine")), build) for build in builds]
    assert [path for path, _ in made] == [model["path"] for model in models]
    for (_, build), model in zip(made, models, strict=True):
        assert int(after(build, "--batch").split(",")[2]) == model["batch"]
        assert (after(build, "--device") or "cuda:0") == model["device"]


def after(words, option):
    return words[words.index(option) + 1] if option in words else None


@pytest.mark.parametrize("name", ["cams.yaml", "demo.yaml", *ENGINES])
def test_the_files_name_their_schema_to_editors(name):
    first = (CONFIGS / name).read_text().splitlines()[0]
    assert first == "# yaml-language-server: $schema=streamd.schema.json"


def test_the_schema_file_is_what_the_command_prints():
    said = "run `streamd schema config > configs/streamd.schema.json`"
    assert json.loads((CONFIGS / "streamd.schema.json").read_text()) == config.schema(), said


@pytest.mark.parametrize(("path", "field"), [pytest.param(*each, id=".".join(each[0])) for each in keys(config.Config)])
def test_every_key_is_described(path, field):
    assert field.description.endswith(".")
