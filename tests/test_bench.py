"""The benchmark on the CPU: its sums over rounds that are made up, and one short round of the daemon."""

import pytest

from streamd.bench import Stretch, bench, summarise
from streamd.clock import SystemClock
from streamd.errors import ModelError
from streamd.metrics import Metrics
from tests.benched import CLIP, Counting, street


def stretch(fps, ages_ms, dropped=0, rows=1.0):
    """A stretch whose frames were published `fps` a second, each so many milliseconds old."""
    sent = [(int(number * 1e9 / fps), int(age * 1e6)) for number, age in enumerate(ages_ms)]
    return Stretch(sent, dropped, rows, 1.0, 2.0, (640, 360), Metrics(SystemClock()))


def test_rounds_are_summed_up_by_medians_and_latency_over_all_frames():
    wholes = [stretch(100, [10, 10, 10], 1, 2), stretch(50, [20, 20, 20], 2, 4), stretch(80, [90, 90], 0, 3)]
    summary = summarise(wholes, [200, 200, 100], "street.onnx", 3)
    assert summary.ratios == pytest.approx((0.5, 0.25, 0.8))
    assert (summary.ratio, summary.end_to_end_fps) == pytest.approx((0.5, 80))
    assert (summary.rows_mean, summary.published, summary.dropped) == (3, 8, 3)
    assert (summary.latency_p50_ms, summary.latency_p99_ms) == (20, 90)


@pytest.fixture
def settings(tmp_path):
    if not CLIP.exists():
        pytest.skip("streamd/assets/street.mp4 is missing")
    return lambda **cameras: street(tmp_path, cameras, **{model: {"threads": 1} for model in cameras.values()})


def test_a_round_measures_the_daemon_and_the_model_alone(settings):
    sink = Counting()
    report = bench(settings(left="street", right="street"), sink, SystemClock(), seconds=1, rounds=1)
    assert (report.cameras, report.threads, report.rounds, report.dropped) == (2, 1, 1, 0)
    assert 2 <= report.published <= sink.published
    assert report.ratios == (report.ratio,) == (pytest.approx(report.end_to_end_fps / report.bare_fps),)
    assert 0 < report.latency_p50_ms <= report.latency_p95_ms <= report.latency_p99_ms


def test_cameras_of_several_models_are_refused(settings):
    with pytest.raises(ModelError, match="the cameras use the models day, night; measure one"):
        bench(settings(left="day", right="night"), Counting(), SystemClock(), seconds=1, rounds=1)
