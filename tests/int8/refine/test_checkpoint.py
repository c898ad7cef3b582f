from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest

from streamd.errors import DataError
from streamd.int8.bias import shifted
from streamd.int8.refine.checkpoint import Checkpoint, key


def test_what_was_saved_comes_back(tmp_path):
    kept = Checkpoint(tmp_path / "new", "k")
    assert kept.load("layer/1") is None
    kept.save("layer/1", {"layer/1/codes": np.arange(3, dtype=np.int8)})
    assert Checkpoint(tmp_path / "new", "k").load("layer/1")["layer/1/codes"].tolist() == [0, 1, 2]
    assert kept.load("layer/2") is None


def test_work_of_another_key_is_not_taken(tmp_path):
    Checkpoint(tmp_path, "one").save("a", {"x": np.zeros(1)})
    assert Checkpoint(tmp_path, "two").load("a") is None


def test_a_file_that_is_cut_or_is_something_else_is_as_good_as_none(tmp_path):
    kept = Checkpoint(tmp_path, "k")
    kept.save("a", {"x": np.zeros(1000)})
    (file,) = tmp_path.iterdir()
    whole = file.read_bytes()
    for data in (whole[: len(whole) // 2], b"", b"nonsense"):
        file.write_bytes(data)
        assert kept.load("a") is None


def test_a_file_that_is_spoilt_anywhere_is_as_good_as_none_or_as_it_was(tmp_path):
    """Some bytes of an archive, such as the time of writing, mean nothing."""
    kept = Checkpoint(tmp_path, "k")
    kept.save("a", {"x": np.arange(3)})
    (file,) = tmp_path.iterdir()
    whole, lost = file.read_bytes(), 0
    for i in range(len(whole)):
        for data in (whole[:i], whole[:i] + bytes([whole[i] ^ 1 << i % 8]) + whole[i + 1 :]):
            file.write_bytes(data)
            found = kept.load("a")
            lost += found is None
            assert found is None or {name: value.tolist() for name, value in found.items()} == {"x": [0, 1, 2]}
    assert lost > 1.5 * len(whole)


def test_clearing_leaves_what_is_not_its_own(tmp_path):
    kept = Checkpoint(tmp_path / "kept", "k")
    kept.save("a", {"x": np.zeros(1)})
    (tmp_path / "kept" / "mine.txt").write_text("mine")
    kept.clear()
    assert [file.name for file in (tmp_path / "kept").iterdir()] == ["mine.txt"]
    (tmp_path / "kept" / "mine.txt").unlink()
    kept.clear()
    assert not (tmp_path / "kept").exists()


def test_nothing_is_kept_without_a_folder():
    kept = Checkpoint(None, "k")
    kept.save("a", {"x": np.zeros(1)})
    assert kept.load("a") is None
    kept.clear()


def test_a_folder_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="file"):
        Checkpoint(tmp_path / "file" / "in", "k").save("a", {"x": np.zeros(1)})


@dataclass(frozen=True)
class Options:
    way: ClassVar[str] = "so"
    steps: int = 1
    device: str = "cpu"


def test_the_key_depends_on_the_model_the_options_and_the_pictures(small):
    one, other = np.zeros((1, 3)), np.ones((1, 3))
    corrected = shifted(small.graph, {"m1": np.ones(16, np.float32)})

    def of(graph=small.graph, inputs=(one,), options=Options(), teacher=None):
        return key(graph, small.placement, small.scales, inputs, options, teacher=teacher)

    assert len({of(), of(corrected), of(inputs=[other]), of(inputs=[one, other]), of(options=Options(2))}) == 5
    assert of() == of(options=Options(device="cuda")) == of(teacher=small.graph)
    assert of(corrected, teacher=small.graph) != of(corrected)


def test_work_done_in_another_way_has_another_key(small, monkeypatch):
    def of():
        return key(small.graph, small.placement, small.scales, (np.zeros(3),), Options())

    before = of()
    monkeypatch.setattr(Options, "way", "otherwise")
    assert of() != before
