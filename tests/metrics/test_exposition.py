from collections import Counter
from types import SimpleNamespace

from prometheus_client.parser import text_string_to_metric_families

from streamd.metrics.exposition import expose


def samples(metrics):
    families = text_string_to_metric_families(expose(metrics).decode())
    return {
        (s.name, *(s.labels[key] for key in sorted(s.labels))): s.value for family in families for s in family.samples
    }


def test_an_idle_daemon_can_be_scraped(metrics):
    assert samples(metrics)["streamd_reloads_total", "refused"] == 0


def test_counters_carry_their_camera(metrics, frame):
    camera = metrics.camera("front")
    camera.decoded(frame())
    camera.dropped("film")
    camera.watch(SimpleNamespace(corrupt=3, skipped=4, jumps=5, reconnects=Counter(timeout=2)))
    found = samples(metrics)
    assert found["streamd_frames_total", "front", "decode"] == 1
    assert found["streamd_frames_dropped_total", "front", "newer", "film"] == 1
    assert found["streamd_frames_dropped_total", "front", "corrupt", "decode"] == 3
    assert found["streamd_frames_dropped_total", "front", "patched", "decode"] == 4
    assert found["streamd_timestamp_jumps_total", "front"] == 5
    assert found["streamd_reconnects_total", "front", "timeout"] == 2
    assert found["streamd_frame_age_seconds", "front"] == 0


def test_a_camera_is_in_one_state(metrics, notice):
    metrics.camera("front").noticed(notice("stalled"))
    found = samples(metrics)
    states = {key[-1]: value for key, value in found.items() if key[0] == "streamd_camera_state"}
    assert states == dict.fromkeys(["connecting", "online", "reconnecting", "ended", "failed"], 0) | {"stalled": 1}


def test_histograms_are_cumulative(metrics):
    for rows in (1, 3, 999):
        metrics.model("street").ran(rows)
    found = samples(metrics)
    bounds = ("1.0", "2.0", "4.0", "256.0", "+Inf")
    assert [found["streamd_batch_rows_bucket", le, "street"] for le in bounds] == [1, 1, 2, 2, 3]
    assert found["streamd_batch_rows_sum", "street"] == 1003


def test_a_camera_that_has_gone_is_told_no_more(metrics):
    metrics.camera("front")
    metrics.forget("front")
    assert b"front" not in expose(metrics)


def test_the_rest_of_the_house_is_told_of(metrics):
    metrics.camera("front").queues["model"] = lambda: 3
    metrics.gpu_bytes["cuda:0"] = 5
    metrics.subscriptions["video"] = lambda: 2
    metrics.reloaded()
    metrics.reloaded(refused="line 1")
    found = samples(metrics)
    assert found["streamd_queue_frames", "front", "model"] == 3
    assert found["streamd_gpu_memory_used_bytes", "cuda:0"] == 5
    assert found["streamd_subscriptions", "video"] == 2
    assert (found["streamd_config_generation",], found["streamd_config_refused",]) == (2, 1)
    assert found["process_resident_memory_bytes",] > 0 and found["streamd_threads",] >= 1
