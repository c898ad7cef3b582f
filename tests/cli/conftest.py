"""`streamd build` with recorded versions of TensorRT, on a copy of the bundled model."""

import shutil
from contextlib import nullcontext

import pytest
from click.testing import CliRunner

from streamd import cli, infer
from streamd.engine import target
from streamd.infer import library
from tests.engine.conftest import BUNDLED
from tests.engine.recorded import PLAN, Recorded


@pytest.fixture
def model(tmp_path):
    for suffix in (".onnx", ".json"):
        shutil.copy(BUNDLED.with_suffix(suffix), tmp_path / f"m{suffix}")
    return tmp_path / "m.onnx"


def agreeing(path, sidecar, **options):
    """A backend for engines that finds what the ONNX file finds."""
    assert path.read_bytes() == PLAN and options["device"] == "cuda:0"
    return infer.load(BUNDLED, batch=options["batch"])


@pytest.fixture
def build(model, tmp_path, monkeypatch):
    """Run the command with a version of TensorRT and, if told so, on a GPU."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def build(*arguments, version="tensorrt 10.3.0", gpu=None, engine=agreeing, **answers):
        api = Recorded(version, **answers)
        monkeypatch.setattr(library, "find", lambda: library.Library(api, version.split()[0], api.__version__))
        monkeypatch.setattr(target, "find", lambda device: gpu)
        monkeypatch.setattr(target, "active", lambda device: nullcontext())
        monkeypatch.setitem(infer.BACKENDS, ".engine", engine)
        return CliRunner().invoke(cli.group, ["build", str(model), *map(str, arguments)])

    return build
