import subprocess
import sys

import pytest

from streamd import manifest
from streamd.errors import ModelError
from streamd.infer import BACKENDS, files
from streamd.manifest import Input, Manifest

KINDS = tuple(BACKENDS)


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "m.onnx"
    path.write_bytes(b"model")
    return path


def described(sha256=""):
    return Manifest(head="yolov8", labels=("person",), input=Input("images", 64, 64), sha256=sha256)


def test_a_file_without_a_manifest(model):
    assert files.check(model, KINDS) is None


def test_a_file_and_its_manifest(model):
    manifest.save(described(files.sha256(model).upper()), model)
    assert files.check(model, KINDS).head == "yolov8"


def test_a_manifest_of_another_file(model):
    manifest.save(described("ab" * 32), model)
    with pytest.raises(ModelError, match=r"m\.json: it is of the model abababababab \(sha256\), m\.onnx is 9372"):
        files.check(model, KINDS)


def test_a_missing_file(tmp_path):
    with pytest.raises(ModelError, match=r"gone\.onnx: no such model file"):
        files.check(tmp_path / "gone.onnx", KINDS)


def test_an_empty_file(model):
    model.write_bytes(b"")
    with pytest.raises(ModelError, match="the model file is empty"):
        files.check(model, KINDS)


def test_a_folder(tmp_path):
    (tmp_path / "m.onnx").mkdir()
    with pytest.raises(ModelError, match=r"m\.onnx: Is a directory"):
        files.check(tmp_path / "m.onnx", KINDS)


def test_a_git_lfs_pointer(model):
    model.write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n")
    with pytest.raises(ModelError, match="run `git lfs pull`"):
        files.check(model, KINDS)


@pytest.mark.parametrize("name", ["m.pt", "m", "m.onnx.gz"])
def test_a_file_of_another_kind(tmp_path, name):
    with pytest.raises(ModelError, match=r"no backend for .*set path to a file that ends in \.onnx"):
        files.check(tmp_path / name, KINDS)


def test_the_suffix_is_read_in_any_case(tmp_path):
    path = tmp_path / "M.ONNX"
    path.write_bytes(b"model")
    assert files.check(path, KINDS) is None


def test_checking_loads_no_runtime():
    code = "import sys; import streamd.infer; sys.exit('onnxruntime' in sys.modules or 'cv2' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
