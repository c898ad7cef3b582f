from pathlib import Path

import numpy as np
import pytest

from streamd.errors import DataError
from streamd.int8 import cache, qdq
from streamd.int8 import graph as graphs
from streamd.int8.calibrate import calibrate
from streamd.int8.placement import plan
from streamd.int8.scales import choose
from streamd.int8.thresholds import minmax


def written(tmp_path, text):
    path = tmp_path / "calibration.cache"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("header", "version", "algorithm"),
    [
        ("TRT-8600-EntropyCalibration2", (8, 6, 0), "EntropyCalibration2"),
        ("TRT-8203-MinMaxCalibration", (8, 2, 3), "MinMaxCalibration"),
        ("TRT-8601-LegacyCalibration", (8, 6, 1), "LegacyCalibration"),
        ("TRT-100300-MinMaxCalibration", (10, 3, 0), "MinMaxCalibration"),
        ("TRT-101606-EntropyCalibration", (10, 16, 6), "EntropyCalibration"),
    ],
)
def test_headers_of_every_age_are_understood(tmp_path, header, version, algorithm):
    read = cache.read(written(tmp_path, f"{header}\nimages: 3c010204\n"))
    assert (read.version, read.algorithm) == (version, algorithm)


def test_a_value_is_the_big_endian_float_of_the_scale(tmp_path):
    read = cache.read(written(tmp_path, "TRT-8600-EntropyCalibration2\nimages: 3c00f9f4\n"))
    assert read.scales["images"] * 127 == pytest.approx(0.99976, abs=1e-5)


def test_names_may_hold_colons_and_spaces(tmp_path):
    lines = "TRT-8600-EntropyCalibration2\n(Unnamed Layer* 367) [Convolution]_output: 3c010204\na:b: c: 3c010204\n\n"
    assert set(cache.read(written(tmp_path, lines)).scales) == {"(Unnamed Layer* 367) [Convolution]_output", "a:b: c"}


def test_the_box_and_score_concat_of_a_real_cache_is_no_error(tmp_path):
    read = cache.read(written(tmp_path, "TRT-100300-MinMaxCalibration\nimages: 3c010204\noutput0: 40b7daf4\n"))
    assert read.scales["output0"] == pytest.approx(5.7455, abs=1e-4)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", ":1: '' is no header"),
        ("images: 3c010204\n", ":1: 'images: 3c010204' is no header"),
        ("TRT-8600-Other\n", ":1: 'TRT-8600-Other' is no header"),
        ("TRT-8600-MinMaxCalibration\na: 3c010204\nb 3c010204\n", ":3: 'b 3c010204' is not a name"),
        ("TRT-8600-MinMaxCalibration\na: 0.0078\n", ":2: 'a: 0.0078' is not a name"),
        ("TRT-8600-MinMaxCalibration\na: 7fc00000\n", ":2: the scale of a is nan"),
        ("TRT-8600-MinMaxCalibration\na: bc010204\n", ":2: the scale of a is -0.0078"),
        ("TRT-8600-MinMaxCalibration\na: 7f800000\n", ":2: the scale of a is inf"),
        ("TRT-8600-MinMaxCalibration\na: 501502f9\n", ":2: the scale of a is 1e\\+10"),
        ("TRT-8600-MinMaxCalibration\na: 3c010204\na: 3c010204\n", ":3: a has a scale already, on line 2"),
        ("TRT-8600-MinMaxCalibration\nimages: 42fe0000\n", ":2: the scale of images is 127, .*looks inverted"),
    ],
)
def test_what_is_no_scale_is_refused_with_its_line(tmp_path, text, message):
    with pytest.raises(DataError, match=message):
        cache.read(written(tmp_path, text))


def test_an_inverted_cache_is_refused(tmp_path):
    path = tmp_path / "inverted.cache"
    cache.write(path, {"a": 0.9} | {f"t{i}": 127 / (i + 2) for i in range(9)}, "8.6.0")
    with pytest.raises(DataError, match=r":3: the scale of t0 is 63\.5, .* looks inverted"):
        cache.read(path)


@pytest.mark.parametrize("value", ["00000000", "00000001"])
def test_a_cache_of_dead_tensors_is_refused(tmp_path, value):
    text = f"TRT-8600-EntropyCalibration2\nimages: 3c010204\na: {value}\nb: {value}\n"
    with pytest.raises(DataError, match=r":3: the scale of a is .*, and 2 of 3 are as small; calibrate again"):
        cache.read(written(tmp_path, text))
    one = f"TRT-8600-EntropyCalibration2\nimages: 3c010204\na: {value}\n"
    assert len(cache.read(written(tmp_path, one)).scales) == 2


def test_binary_data_is_refused(tmp_path):
    path = tmp_path / "x.cache"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="not a calibration cache"):
        cache.read(path)


@pytest.mark.parametrize("version", ["8.6.0", "8.6.1.6", "7.2.3", "10.3.0"])
def test_what_is_written_is_read_back(tmp_path, version):
    scales = {"images": float(np.float32(1 / 127)), "/model.0/act/Mul_output_0": 0.25}
    cache.write(tmp_path / "c", scales, version, "MinMaxCalibration")
    read = cache.read(tmp_path / "c")
    assert (read.scales, read.algorithm) == (scales, "MinMaxCalibration")
    assert ".".join(map(str, read.version)) == ".".join(version.split(".")[:3])


def test_the_text_written_is_tensorrts_own(tmp_path):
    cache.write(tmp_path / "c", {"167": 1 / 127}, "8.2.3")
    assert (tmp_path / "c").read_text() == "TRT-8203-EntropyCalibration2\n167: 3c010204\n"


@pytest.mark.parametrize("version", ["11.0.0", "8.6", "new", "3.0.0", "8.600.1"])
def test_a_version_without_caches_is_refused(tmp_path, version):
    with pytest.raises(DataError, match="reads no calibration cache"):
        cache.write(tmp_path / "c", {}, version)


def test_a_cache_that_cannot_be_written_leaves_the_older_one(tmp_path, monkeypatch):
    cache.write(tmp_path / "c", {"a": 0.5}, "8.6.0")

    def full(path, data):
        with path.open("wb") as file:
            file.write(data[:9])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(type(tmp_path), "write_bytes", full)
    with pytest.raises(DataError, match="No space left on device"):
        cache.write(tmp_path / "c", {"a": 0.25}, "8.6.0")
    assert [path.name for path in tmp_path.iterdir()] == ["c"]
    assert cache.read(tmp_path / "c").scales == {"a": 0.5}


@pytest.fixture(scope="module")
def detector(detector_model):
    return graphs.prepare(detector_model)


def test_a_cache_of_our_scales_gives_the_same_files_again(detector, pictures, tmp_path):
    placement = plan(detector)
    scales = choose(detector, placement, calibrate(detector, pictures), minmax)
    cache.write(tmp_path / "c", cache.known(scales), "8.6.0")
    again = cache.choose(detector, placement, cache.read(tmp_path / "c"), tmp_path / "c")
    assert again.activations == scales.activations
    assert qdq.write(detector, placement, again) == qdq.write(detector, placement, scales)


def test_unequal_scales_of_a_group_are_repaired(detector, tmp_path):
    placement = plan(detector)
    scales = {name: 0.01 * (i + 1) for i, name in enumerate(placement.tensors)}
    found = cache.choose(detector, placement, cache.Cache((8, 6, 0), "x", scales), tmp_path)
    for group in placement.groups:
        (shared,) = {found.activations[name] for name in group}
        assert shared == pytest.approx(max(scales[name] for name in group), rel=1e-3)


def test_what_the_cache_does_not_know_stays_in_float_and_is_told(detector, tmp_path):
    placement = plan(detector)
    alone = next(n for n in placement.tensors if not any(n in group for group in placement.groups) and n != "images")
    scales = dict.fromkeys(placement.tensors, 0.01)
    del scales[alone]
    found = cache.choose(detector, placement, cache.Cache((8, 6, 0), "x", scales), tmp_path / "x.cache")
    assert alone not in found.activations
    assert found.remarks == [f"{alone} is not in x.cache: left in floating point"]


def test_the_cache_of_another_model_is_refused(detector, tmp_path):
    with pytest.raises(DataError, match="knows 1 of the"):
        cache.choose(detector, plan(detector), cache.Cache((8, 6, 0), "x", {"images": 0.01}), tmp_path / "x")


def test_a_mark_of_windows_before_the_header_is_no_fault(tmp_path):
    path = tmp_path / "c"
    path.write_bytes(b"\xef\xbb\xbfTRT-8600-MinMaxCalibration\r\nimages: 3c010204\r\n")
    assert cache.read(path).scales == {"images": pytest.approx(1 / 127)}


def test_an_inverted_picture_is_refused_wherever_it_stands(tmp_path, detector):
    scales = dict.fromkeys(plan(detector).tensors, 0.5) | {"images": 127.0}
    scales["images"] = scales.pop("images")
    path = tmp_path / "c"
    cache.write(path, scales, "8.6.0")
    with pytest.raises(DataError, match=rf":{len(scales) + 1}: the scale of images is 127, .*looks inverted"):
        cache.choose(detector, plan(detector), cache.read(path), path)


def test_a_dead_output_is_left_in_float_in_the_cpu_file(detector):
    placement = plan(detector)
    output = next(node.output[0] for node in detector.nodes if node.name == "down1")
    scales = dict.fromkeys(placement.tensors, 0.5) | {output: 1e-45}
    found = cache.choose(detector, placement, cache.Cache((8, 6, 0), "x", scales), Path("c"))
    assert output not in found.bounds
