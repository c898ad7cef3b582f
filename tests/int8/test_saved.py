import json
from pathlib import Path

import numpy as np
import pytest

from streamd.errors import DataError
from streamd.int8 import graph as graphs
from streamd.int8.calibrate import calibrate
from streamd.int8.placement import plan
from streamd.int8.saved import check_model, load, save


@pytest.fixture(scope="module")
def detector(detector_model):
    return graphs.prepare(detector_model)


@pytest.fixture(scope="module")
def calibration(detector, pictures):
    return calibrate(detector, pictures)


@pytest.fixture
def spoilt(calibration, tmp_path):
    """A saved calibration whose table or whose words are changed, and no longer sealed."""

    def spoilt(counts=lambda rows: None, words=lambda about: None):
        save(calibration, tmp_path / "seen")
        with np.load(tmp_path / "seen.npz") as file:
            rows = file["counts"]
        about = json.loads((tmp_path / "seen.json").read_text()) | {"counts_sha256": ""}
        counts(rows), words(about)
        np.savez_compressed(tmp_path / "seen.npz", counts=rows)
        (tmp_path / "seen.json").write_text(json.dumps(about))
        return tmp_path / "seen"

    return spoilt


def equal(a, b):
    assert (a.model_sha256, a.data_sha256, a.frames) == (b.model_sha256, b.data_sha256, b.frames)
    assert list(a.histograms) == list(b.histograms)
    for name, histogram in a.histograms.items():
        other = b.histograms[name]
        assert (histogram.range, histogram.minimum, histogram.maximum) == (other.range, other.minimum, other.maximum)
        assert np.array_equal(histogram.counts, other.counts)


def test_a_calibration_is_read_back_as_it_was_written(calibration, tmp_path):
    result = calibration
    save(result, tmp_path / "street.v1")
    assert {path.name for path in tmp_path.iterdir()} == {"street.v1.npz", "street.v1.json"}
    equal(load(tmp_path / "street.v1"), result)
    equal(load(tmp_path / "street.v1.npz"), result)


@pytest.mark.parametrize("content", ["", "{}", "no json"])
def test_what_is_no_calibration_is_refused(tmp_path, content):
    (tmp_path / "x.json").write_text(content)
    with pytest.raises(DataError, match="not a calibration"):
        load(tmp_path / "x")


def test_a_missing_calibration_is_refused(tmp_path):
    with pytest.raises(DataError, match="No such file"):
        load(tmp_path / "none")


def test_counts_of_another_calibration_are_refused(calibration, tmp_path):
    save(calibration, tmp_path / "a")
    np.savez_compressed(tmp_path / "a.npz", counts=np.zeros((2, 5)))
    with pytest.raises(DataError, match="does not belong"):
        load(tmp_path / "a")


@pytest.mark.parametrize("damage", ["cut", "flipped"])
def test_damaged_counts_are_named(tmp_path, damage):
    np.savez_compressed(tmp_path / "c.npz", counts=np.arange(8192)[None])
    (tmp_path / "c.json").write_text('{"v": 1, "model_sha256": "", "data_sha256": "", "frames": 1, "tensors": {}}')
    data = bytearray((tmp_path / "c.npz").read_bytes())
    half = len(data) // 2
    data[half] ^= 0x5A
    (tmp_path / "c.npz").write_bytes(data[:half] if damage == "cut" else data)
    with pytest.raises(DataError, match=r"c\.npz: not a calibration"):
        load(tmp_path / "c")


def test_a_path_without_a_name_is_refused():
    with pytest.raises(DataError, match="names no file"):
        load(Path())


def test_an_untouched_calibration_without_a_seal_is_taken(spoilt, calibration):
    equal(load(spoilt()), calibration)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: rows[0].fill(0), "tensor images: every count is zero"),
        (lambda rows: rows.fill(0), "tensor images: every count is zero"),
        (lambda rows: rows[1].__setitem__(5, -1), "tensor .*: a count is negative"),
        (lambda rows: rows[0].__setitem__(slice(4096, None), 0), "tensor images: its largest value is .*, its counts"),
    ],
)
def test_counts_that_no_pass_leaves_are_refused_by_tensor(spoilt, change, message):
    with pytest.raises(DataError, match=rf"seen\.npz: not a calibration: {message}.*; calibrate again"):
        load(spoilt(counts=change))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"maximum": float("inf")}, r"seen\.json: not a calibration"),
        ({"maximum": 1e308, "range": 1e308}, "tensor images: the values .* to 1e\\+308"),
        ({"maximum": -1.0}, "tensor images: the values .* to -1"),
        ({"range": 0.0}, "tensor images: the values .* over a range of 0"),
        ({"range": -2.0}, "tensor images: the values .* over a range of -2"),
    ],
)
def test_ends_that_no_pass_leaves_are_refused_by_tensor(spoilt, change, message):
    with pytest.raises(DataError, match=message):
        load(spoilt(words=lambda about: about["tensors"]["images"].update(change)))


def test_infinity_written_as_a_number_is_refused(spoilt):
    path = spoilt()
    sidecar = path.with_suffix(".json")
    sidecar.write_text(sidecar.read_text().replace('"maximum": ', '"maximum": 1e400, "x": ', 1))
    with pytest.raises(DataError, match=r"seen\.json: not a calibration"):
        load(path)


@pytest.mark.parametrize("values", [[], [-1.0], [1e39]])
def test_channels_that_no_pass_leaves_are_refused_by_tensor(spoilt, values):
    with pytest.raises(DataError, match=r"seen\.json: not a calibration: the channels of odd"):
        load(spoilt(words=lambda about: about["channels"].update(odd=values)))


def test_a_calibration_of_nothing_but_zeros_is_refused(spoilt):
    def black(about):
        for tensor in about["tensors"].values():
            tensor.update(minimum=0.0, maximum=0.0)

    def first(rows):
        rows[:] = 0
        rows[:, 0] = 7

    with pytest.raises(DataError, match=r"seen\.npz: a calibration that has seen nothing but zeros"):
        load(spoilt(first, black))


def test_the_words_of_one_and_the_counts_of_another_are_refused(calibration, detector, pictures, tmp_path):
    save(calibration, tmp_path / "a")
    save(calibrate(detector, pictures[:2]), tmp_path / "b")
    (tmp_path / "b.npz").replace(tmp_path / "a.npz")
    with pytest.raises(DataError, match="does not belong"):
        load(tmp_path / "a")


def test_a_write_that_fails_leaves_the_older_pair(calibration, tmp_path, monkeypatch):
    save(calibration, tmp_path / "seen")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def full(file, **_):
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez_compressed", full)
    with pytest.raises(DataError, match="No space left on device"):
        save(calibration, tmp_path / "seen")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_the_calibration_of_another_model_is_refused_by_its_file(calibration, detector_model):
    other = graphs.prepare(detector_model, "other.onnx")
    other.sha256 = "f" * 64
    with pytest.raises(DataError, match=r"^seen\.npz: the calibration of the model .* other\.onnx is ffffffffffff"):
        check_model(calibration, other, plan(other), Path("seen.npz"))


def test_a_calibration_without_the_head_is_no_use_for_the_whole(calibration, detector):
    check_model(calibration, detector, plan(detector), Path("seen.npz"))
    with pytest.raises(DataError, match=r"seen\.npz: the calibration has no tensor .*with --whole"):
        check_model(calibration, detector, plan(detector, whole=True), Path("seen.npz"))
