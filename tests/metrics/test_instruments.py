import pytest

from streamd.frames import Packet
from streamd.metrics.instruments import Histogram, Rate


def test_a_camera_is_the_same_by_its_name(metrics):
    assert metrics.camera("front") is metrics.camera("front")


def test_a_histogram_counts_by_the_bound_that_is_not_below():
    histogram = Histogram((1.0, 2.0))
    for value in (0.5, 1.0, 1.5, 9.0):
        histogram.observe(value)
    assert (histogram.counts, histogram.count, histogram.mean) == ([2, 1, 1], 4, 3.0)


def test_latency_runs_from_capture_to_publishing(metrics, clock, frame):
    camera, model = metrics.camera("front"), metrics.model("street")
    late = frame()
    clock.now_s += 0.04
    model.published(late)
    assert camera.latency_s.mean == pytest.approx(0.04)


def test_a_clock_that_steps_back_gives_no_negative_latency(metrics, clock, frame):
    late = frame()
    clock.now_s -= 5
    metrics.camera("front").published(late)
    assert metrics.camera("front").latency_s.total == 0


def test_a_frame_of_a_camera_that_has_gone_counts_nowhere(metrics, frame):
    metrics.camera("front")
    metrics.forget("front")
    metrics.model("street").published(frame())
    assert metrics.cameras == {}


def test_a_frame_waits_until_its_detections_are_published(metrics, frame):
    camera = metrics.camera("front")
    camera.decoded(frame())
    assert camera.waiting_since_ns is not None
    camera.published(frame())
    assert camera.waiting_since_ns is None


def test_a_frame_that_is_not_inferred_does_not_wait(metrics, frame):
    metrics.camera("front").decoded(frame(infer=False))
    assert metrics.camera("front").waiting_since_ns is None


def test_a_stage_is_timed(metrics, clock):
    with metrics.model("street").stage("run"):
        clock.now_s += 0.5
    assert metrics.model("street").stage("run").seconds.mean == pytest.approx(0.5)


def test_batches_of_all_models_are_progress(metrics):
    metrics.model("a").ran(4)
    metrics.model("b").ran(1)
    assert metrics.batches == 2


def test_video_is_counted_in_packets_and_bytes(metrics):
    metrics.camera("front").filmed(Packet("front", 1, 0, 0, 0, 2, 2, True, 0, b"12345"))
    assert (metrics.camera("front").packets, metrics.camera("front").packet_bytes) == (1, 5)


def test_a_rate_is_that_of_the_last_seconds():
    rate = Rate()
    for tick in range(101):
        rate.tick(10**9 + tick * 10**8)
    assert rate.at(11 * 10**9 + 10**8) == pytest.approx(10)


def test_a_rate_falls_when_events_stop():
    rate = Rate()
    for tick in range(101):
        rate.tick(10**9 + tick * 10**8)
    assert rate.at(10**12) < 0.1
