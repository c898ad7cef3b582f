"""The builder's own calibrators, against the recorded bindings of every version: what they are fed, and keep."""

import numpy as np
import pytest

from streamd.engine.build import Implicit
from streamd.engine.calibrators import CLASSES, Feed, calibrator
from streamd.errors import DataError, ModelError
from streamd.int8 import cache
from tests.engine.conftest import NEW, OLD, builder_flags, network_flags


def rows(count):
    return (np.full((1, 3, 416, 416), index, np.float32) for index in range(count))


class Memory:
    """Device memory that remembers what was put there."""

    def __init__(self):
        self.batches = []

    def __call__(self, batch):
        self.batches.append(batch)
        return 4096 + len(self.batches)


def feed(memory, count=5, batch=2, kind="entropy2", version="8.6.1", path=None, pictures=None):
    return Feed(kind, version, rows(count) if pictures is None else pictures, batch, memory, path)


@pytest.mark.parametrize("version", OLD)
@pytest.mark.parametrize("kind", CLASSES)
def test_a_calibrator_is_fed_whole_batches(library, version, run, kind):
    found, memory = library(version), Memory()
    run(found, int8="calibrator", calibrator=kind, implicit=Implicit(feed=feed(memory, kind=kind)))
    (made,) = found.api.called("IBuilderConfig.int8_calibrator")
    assert isinstance(made, getattr(found.api, CLASSES[kind][0]))
    assert [batch[:, 0, 0, 0].tolist() for batch in memory.batches] == [[0, 1], [2, 3]]  # the fifth is no whole batch
    assert builder_flags(found) == {"INT8", "FP16"}
    assert network_flags(found) <= {"EXPLICIT_BATCH"}
    assert len(found.api.called("IBuilderConfig.set_calibration_profile")) == 1


def test_a_calibrator_answers_as_the_interface_asks(library):
    made = calibrator(library("tensorrt 8.6.1"), "legacy", feed(Memory(), batch=5))
    assert made.get_batch_size() == 5
    assert made.get_batch(["images"]) == [4097]
    assert made.get_batch(["images"]) is None
    assert (made.get_quantile(), made.get_regression_cutoff(), made.read_histogram_cache(0)) == (0.999999, 1.0, None)


def test_a_calibration_is_kept_and_read_again(library, run, tmp_path):
    kept = tmp_path / "kept.cache"
    run(library("tensorrt 8.6.1"), int8="calibrator", implicit=Implicit(feed=feed(Memory(), path=kept)))
    assert cache.read(kept).scales == {"images": pytest.approx(1 / 127)}
    memory = Memory()
    again = feed(memory, path=kept, version="10.3.0")
    run(library("tensorrt 10.3.0"), int8="calibrator", implicit=Implicit(feed=again))
    assert memory.batches == []
    assert again.read_cache() == b"TRT-100300-EntropyCalibration2\nimages: 3c010204\n"  # under this version's number


def test_a_cache_of_another_algorithm_is_refused(library, run, tmp_path):
    kept = tmp_path / "kept.cache"
    cache.write(kept, {"images": 1 / 127}, "8.6.1", "MinMaxCalibration")
    with pytest.raises(DataError, match="is of MinMaxCalibration, asked for is EntropyCalibration2"):
        run(library("tensorrt 8.6.1"), int8="calibrator", implicit=Implicit(feed=feed(Memory(), path=kept)))


def test_what_fails_within_the_calibrator_is_raised_after_the_build(library, run):
    def broken():
        yield from rows(1)
        raise OSError("the camera is gone")

    with pytest.raises(DataError, match="calibration failed: the camera is gone"):
        run(library("tensorrt 8.6.1"), int8="calibrator", implicit=Implicit(feed=feed(Memory(), pictures=broken())))


@pytest.mark.parametrize("version", NEW)
def test_implicit_int8_that_is_gone_is_told(library, version, run):
    with pytest.raises(ModelError, match="has no"):
        run(library(version), int8="dynamic-range", implicit=Implicit(scales={"images": 1.0}))
    with pytest.raises(ModelError, match="has no"):
        run(library(version), int8="calibrator", implicit=Implicit(feed=feed(Memory())))
