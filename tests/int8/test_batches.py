import numpy as np
import pytest

from streamd.errors import DataError
from streamd.int8.batches import looks_like_one, read


def batch(path, shape=(2, 3, 4, 5), labels=True):
    values = np.arange(np.prod(shape), dtype="<f4")
    data = np.array(shape, "<i4").tobytes() + values.tobytes()
    path.write_bytes(data + (np.zeros(shape[0], "<i4").tobytes() if labels else b""))
    return path


@pytest.mark.parametrize("labels", [True, False])
def test_labels_may_be_left_out(tmp_path, labels):
    rows = read(batch(tmp_path / "b", labels=labels))
    assert rows.shape == (2, 3, 4, 5)
    assert np.array_equal(rows.ravel(), np.arange(120))


@pytest.mark.parametrize("content", [b"", b"short", b"\xff" * 400, b"plain words, nothing else to be read"])
def test_what_is_no_batch_file_is_refused(tmp_path, content):
    (tmp_path / "odd").write_bytes(content)
    assert not looks_like_one(tmp_path / "odd")
    with pytest.raises(DataError, match="neither a picture, a video nor a batch file"):
        read(tmp_path / "odd")


@pytest.mark.parametrize("content", [b"", bytes(100), bytes(64 * 10)])
def test_a_header_that_promises_something_else_is_refused(tmp_path, content):
    path = tmp_path / "odd"
    path.write_bytes(np.array([1, 3, 4, 4], "<i4").tobytes() + content)
    for look in (read, looks_like_one):
        with pytest.raises(DataError, match="a batch file of 1x3x4x4 has 208 or 212 bytes, this one has"):
            look(path)


def test_one_that_is_missing_is_refused(tmp_path):
    with pytest.raises(DataError, match="none: No such file"):
        read(tmp_path / "none")
