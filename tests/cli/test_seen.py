import weakref
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from streamd.cli import seen
from streamd.errors import DataError
from streamd.manifest import Input

SPEC = Input("images", 8, 8, scale=1)


def piece(batch=0):
    return SimpleNamespace(manifest=SimpleNamespace(input=SPEC, batch=batch))


@pytest.fixture
def given(tmp_path):
    """Twelve pictures, each of one shade that tells its number."""
    for i in range(12):
        cv2.imwrite(str(tmp_path / f"{i:02}.png"), np.full((8, 8, 3), 20 * i, np.uint8))
    return {"data": [tmp_path], "judge": (), "frames": 0, "part": (0, 1)}


def numbers(found):
    return [round(float(one.mean()) / 20) for one in found]


def test_what_a_judge_may_hold_out_is_not_seen(given):
    assert numbers(seen.inputs(piece(), given, "--qat")) == [0, 1, 2, 4, 5, 6, 8, 9, 10]


def test_with_pictures_of_its_own_to_judge_on_all_are_seen(given):
    assert numbers(seen.inputs(piece(), given | {"judge": ["x"]}, "--qat")) == list(range(12))


@pytest.mark.parametrize(("most", "expected"), [(1, [0]), (2, [0, 8]), (3, [0, 4, 10]), (40, list(range(12)))])
def test_a_few_are_evenly_chosen(given, most, expected):
    assert numbers(seen.inputs(piece(), given | {"judge": ["x"]}, "--qat", most)) == expected


def test_without_a_number_memory_bounds_them(given, monkeypatch):
    monkeypatch.setattr(seen, "MEMORY", 4 * 3 * 8 * 8 * 4)
    assert len(seen.inputs(piece(), given | {"judge": ["x"]}, "--qat")) == 4
    monkeypatch.setattr(seen, "MEMORY", 1)
    assert len(seen.inputs(piece(), given, "--qat")) == 1


def test_no_more_than_twice_as_many_are_ever_held(monkeypatch):
    held, most = [], 0

    def repeated(one, *_, **__):
        made = one.copy()
        held.append(weakref.ref(made))
        return made

    def inputs(*_):
        nonlocal most
        for _ in range(5000):
            yield np.zeros((1, 1))
            most = max(most, sum(one() is not None for one in held[-64:]))

    monkeypatch.setattr("streamd.int8.data.find", lambda _: SimpleNamespace(batches=()))
    monkeypatch.setattr("streamd.int8.data.inputs", inputs)
    monkeypatch.setattr("streamd.int8.data.shown", lambda *_, **__: ())
    monkeypatch.setattr(seen, "np", SimpleNamespace(repeat=repeated, linspace=np.linspace))
    given = {"data": (), "judge": (), "frames": 0, "part": (0, 1)}
    assert len(seen.inputs(piece(), given, "--qat", 10)) == 10
    assert 10 < most <= 21


def test_a_model_of_a_fixed_batch_gets_its_rows(given):
    found = seen.inputs(piece(3), given, "--qat", 2)
    assert [one.shape for one in found] == [(3, 3, 8, 8)] * 2
    assert all((one == one[0]).all() for one in found)


def test_batch_files_are_seen_too(given, tmp_path):
    rows = np.arange(2 * 3 * 8 * 8, dtype="<f4").reshape(2, 3, 8, 8)
    (tmp_path / "rows").write_bytes(np.array([2, 3, 8, 8], "<i4").tobytes() + rows.tobytes())
    found = seen.inputs(piece(), given | {"data": [tmp_path / "rows"]}, "--qat")
    assert np.array_equal(np.concatenate(found), rows)


def test_no_picture_is_told(given):
    with pytest.raises(DataError, match=r"^--qat found no picture in --data; "):
        seen.inputs(piece(), given | {"part": (0, 0.01)}, "--qat")
