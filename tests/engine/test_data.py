import numpy as np
import pytest

from streamd.engine import data
from streamd.engine.calibrators import Staged
from streamd.errors import DataError, DeviceError
from streamd.infer.library import Library
from streamd.int8 import cache, graph, saved
from streamd.int8.calibrate import calibrate
from tests.engine.conftest import BUNDLED
from tests.engine.recorded import Recorded

OLD = Library(Recorded("tensorrt 8.6.1"), "tensorrt", "8.6.1")


def test_a_batch_is_where_its_address_says(host_gpu):
    staged = Staged(host_gpu, (2, 3), np.float32)
    batch = np.arange(6, dtype=np.float32).reshape(2, 3)
    address = staged(batch)
    assert np.array_equal(host_gpu.memory(address, batch.nbytes, staged).view(np.float32).reshape(2, 3), batch)
    assert staged(batch + 1) == address


def test_pictures_go_the_way_of_the_daemon(host_gpu, monkeypatch, ask, tmp_path):
    monkeypatch.setattr(data, "open_gpu", lambda device: host_gpu)
    clip = BUNDLED.with_suffix(".mp4")
    told = []
    made = data.pictures(OLD, ask(batch=(1, 2, 4)), [clip], 4, tmp_path / "kept.cache", "cuda:0", told.append)
    assert made.feed.batch == 2
    address = made.feed.next()
    first = host_gpu.memory(address, 2 * 3 * 416 * 416 * 4, made).view(np.float32)
    assert 0.2 < first.mean() < 0.7 and first.max() <= 1.0
    assert told == [2]


def test_without_pictures_a_cache_must_be_there(ask, tmp_path):
    with pytest.raises(DataError, match="nothing to calibrate on; name pictures with --data"):
        data.pictures(OLD, ask(), [], 4, tmp_path / "gone.cache", "cuda:0")


def test_without_a_gpu_nothing_can_be_fed(ask):
    with pytest.raises(DeviceError):
        data.pictures(OLD, ask(), [BUNDLED.with_suffix(".mp4")], 4, None, "cuda:0")


def test_scales_of_a_cache(tmp_path):
    kept = tmp_path / "kept.cache"
    cache.write(kept, {"images": 0.0078125}, "8.6.1")
    assert data.ranges(BUNDLED, kept, None, "mse").scales == {"images": 0.0078125}
    with pytest.raises(DataError, match="no scales for --int8 dynamic-range; give --cache, or --calibration"):
        data.ranges(BUNDLED, None, None, "mse")


def test_scales_of_a_calibration(tmp_path):
    ready = graph.load(BUNDLED)
    noise = np.random.default_rng(0).random((1, 3, 416, 416)).astype(np.float32)
    saved.save(calibrate(ready, [noise]), tmp_path / "seen")
    scales = data.ranges(BUNDLED, None, tmp_path / "seen", "minmax").scales
    assert scales["images"] == pytest.approx(1 / 127, rel=1e-3)
    assert len(scales) > 57
