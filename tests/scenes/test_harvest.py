import numpy as np
import pytest

from streamd.scenes import harvest as harvests
from streamd.scenes.harvest import Harvest, kept

SMALL = Harvest(np.ones((1, 2, 2, 3), np.uint8), np.zeros((1, 4, 4), np.float32), np.zeros((1, 4), np.int8))


@pytest.fixture
def harvested(monkeypatch):
    """Counts the harvests, each of which is `SMALL`."""
    calls = []
    monkeypatch.setattr(harvests, "harvest", lambda *arguments, **_: calls.append(arguments) or SMALL)
    return calls


def test_what_was_harvested_is_kept(harvested, tmp_path):
    for _ in range(2):
        found = kept(tmp_path / "a.npz", "train", 1, 1)
        assert np.array_equal(found.pictures, SMALL.pictures)
    assert len(harvested) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["a.npz"]


def test_a_harvest_that_cannot_be_kept_leaves_no_file_to_be_taken_for_one(harvested, tmp_path, monkeypatch):
    def full(file, **_):
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(OSError, match="No space left"):
        kept(tmp_path / "a.npz", "train", 1, 1)
    assert list(tmp_path.iterdir()) == []
