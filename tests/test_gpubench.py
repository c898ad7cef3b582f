"""The benchmark of a GPU, run on a GPU that is the host: its figures are of no worth, its sums are."""

import pytest

from streamd import config
from streamd.clock import SystemClock
from streamd.errors import ModelError, SourceError
from streamd.gpubench import bare_decode, bench
from tests.benched import CLIP, Counting, street


@pytest.fixture
def settings(tmp_path):
    if not CLIP.exists():
        pytest.skip("streamd/assets/street.mp4 is missing")
    return lambda **model: street(tmp_path, {"left": "street", "right": "street"}, street={"batch": 2, **model})


def test_a_round_measures_the_whole_and_its_parts(host_as_cuda, settings):
    sink = Counting()
    report = bench(settings(device="cuda:0"), sink, SystemClock(), seconds=2, rounds=1)
    assert (report.device, report.cameras, report.dropped) == ("cuda:0", 2, 0)
    assert 2 <= report.published <= sink.published
    assert report.ratio == pytest.approx(report.end_to_end_fps / min(report.decode_fps, report.run_fps))
    assert 0 < report.latency_p50_ms <= report.latency_p95_ms <= report.latency_p99_ms
    threads, streams = ["prepare", "run", "finish", "publish"], ["gpu-fill", "gpu-run", "gpu-read"]
    assert [step.name for step in report.steps] == threads + streams
    fill = next(step for step in report.steps if step.name == "gpu-fill")
    assert 3 * 416 * 416 * 4 < fill.bytes_per_frame < 3 * 416 * 416 * 4 + 960 * 540 * 3 / 2 * 1.2
    assert all(step.us_per_frame * report.rows_mean == pytest.approx(1e3 * step.ms_per_run) for step in report.steps)


def test_a_model_on_the_cpu_has_no_such_benchmark(settings):
    with pytest.raises(ModelError, match="runs on the cpu; set device: cuda:0"):
        bench(settings(), Counting(), SystemClock(), seconds=0.5, rounds=1)


def test_cameras_that_have_ended_are_told(settings, tmp_path, write_clip):
    camera = config.Camera(uri=str(write_clip(tmp_path / "clip.mp4", 3)), model="street", pace="asap")
    ended = settings().model_copy(update={"cameras": {"left": camera}})
    with pytest.raises(SourceError, match=r"no frame was decoded in 0\.1 s; give files `loop: true`"):
        bare_decode(ended, None, SystemClock(), 0.1)
