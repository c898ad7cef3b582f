import errno
import fcntl
import os
from pathlib import Path

import pytest
from msgspec.structs import replace

from streamd import manifest
from streamd.engine.deliver import deliver, is_current
from streamd.errors import ModelError
from streamd.infer import files
from streamd.manifest import Built, Input, Manifest

BUILT = Built("10.3", "L4", "8.9", "ab" * 32, onnx="m.onnx", profile=(1, 4, 8), options=("--fp16",), verdict="fine")
ABOUT = Manifest("yolov8", ("a",), Input("images", 32, 32), built=BUILT)


@pytest.fixture
def out(tmp_path):
    path = tmp_path / "m.engine"
    deliver(b"plan", ABOUT, path)
    return path


def test_engine_and_manifest_stand_side_by_side(out):
    assert out.read_bytes() == b"plan"
    assert manifest.load(out).built == BUILT
    assert files.check(out, (".engine",)).sha256 == files.sha256(out)
    assert sorted(path.name for path in out.parent.iterdir()) == ["m.engine", "m.engine.json"]


def test_it_is_current(out):
    assert is_current(out, BUILT)


def test_where_the_onnx_file_stands_and_what_came_of_it_makes_no_other(out):
    assert is_current(out, replace(BUILT, onnx="../m.onnx", profile=(), verdict=""))


@pytest.mark.parametrize(
    "change",
    [
        {"tensorrt": "10.4"},
        {"gpu": "L40"},
        {"compute_capability": "9.0"},
        {"onnx_sha256": "cd" * 32},
        {"library": "tensorrt_rtx"},
        {"options": ()},
        {"sidecar_sha256": "ef" * 32},
    ],
)
def test_another_key_makes_another(out, change):
    assert not is_current(out, replace(BUILT, **change))


def test_a_changed_engine_is_not_current(out):
    out.write_bytes(b"other")
    assert not is_current(out, BUILT)


@pytest.mark.parametrize("damage", ["{", '{"head": "yolov8"}'])
def test_a_damaged_manifest_is_not_current(out, damage):
    manifest.beside(out).write_text(damage)
    assert not is_current(out, BUILT)


def test_without_engine_or_manifest_nothing_is_current(out):
    manifest.beside(out).unlink()
    assert not is_current(out, BUILT)
    assert not is_current(out.with_name("other.engine"), BUILT)


def test_an_old_manifest_refuses_a_new_engine(out):
    out.write_bytes(b"the next one, whose manifest is not there yet")
    with pytest.raises(ModelError, match="it is of the model"):
        files.check(out, (".engine",))


def test_where_nothing_can_be_written(tmp_path):
    with pytest.raises(ModelError, match="name a file that can be written"):
        deliver(b"plan", ABOUT, tmp_path / "gone" / "m.engine")


def test_where_the_manifest_cannot_be_written_the_engine_stays_as_it_was(out, monkeypatch):
    own = Path.write_bytes

    def full(path, data):
        if data.startswith(b"{"):
            raise OSError(errno.ENOSPC, "No space left on device")
        return own(path, data)

    before = {path.name: path.read_bytes() for path in out.parent.iterdir()}
    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(ModelError, match="No space left on device; make room for it"):
        deliver(b"another plan", ABOUT, out)
    assert {path.name: path.read_bytes() for path in out.parent.iterdir()} == before


def test_who_delivers_to_the_same_folder_waits(tmp_path, monkeypatch):
    inside, locked = [], []
    own = Path.write_bytes

    def looked(path, data):
        held = os.open(tmp_path, os.O_RDONLY)
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            locked.append(path.suffix)
        finally:
            os.close(held)
        inside.append(path.suffix)
        return own(path, data)

    monkeypatch.setattr(Path, "write_bytes", looked)
    deliver(b"plan", ABOUT, tmp_path / "m.engine")
    assert inside == locked == [".part", ".part"]


def test_an_engine_is_kept_where_there_are_no_locks(tmp_path, monkeypatch):
    def refused(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refused)
    deliver(b"plan", ABOUT, tmp_path / "m.engine")
    assert (tmp_path / "m.engine").read_bytes() == b"plan"


def test_a_precision_that_was_asked_for_and_not_built_is_not_current(out):
    assert is_current(out, BUILT, "fp32")
    assert not is_current(out, BUILT, "int8")
