import math

import pytest

from streamd.metrics import health


@pytest.fixture
def flowing(metrics, frame, notice):
    """A camera through which a frame has just come."""
    camera = metrics.camera("front")
    camera.noticed(notice("online"))
    camera.decoded(frame())
    metrics.model("street").published(frame())
    return camera


def test_a_flowing_camera_is_live_and_ready(metrics, flowing):
    assert (health.wedged(metrics), health.unready(metrics)) == ([], [])


def test_a_daemon_that_has_just_begun_is_live_and_not_ready(metrics):
    assert (health.wedged(metrics), health.unready(metrics)) == ([], ["no camera has started"])
    metrics.camera("front")
    assert (health.wedged(metrics), health.unready(metrics)) == ([], ["front: connecting, no frame yet"])


def test_frames_that_stop_make_it_unready_then_not_live(metrics, flowing, clock):
    clock.now_s += 11
    assert (health.wedged(metrics), health.unready(metrics)) == ([], ["front: online, no frame for 11 s"])
    clock.now_s += 20
    assert health.wedged(metrics) == ["front: online, yet no frame for 31 s"]


def test_a_stall_that_nobody_ends_makes_it_not_live(metrics, flowing, clock, notice):
    flowing.noticed(notice("stalled"))
    clock.now_s += 31
    assert health.wedged(metrics) == ["front: stalled, yet no frame for 31 s"]


def test_a_camera_that_is_away_is_live(metrics, flowing, clock, notice):
    flowing.noticed(notice("reconnecting", "refused"))
    clock.now_s += 1000
    assert health.wedged(metrics) == []
    assert health.unready(metrics)


def test_a_model_that_is_stuck_makes_it_unready_then_not_live(metrics, flowing, clock, frame):
    flowing.decoded(frame())
    for _ in range(31):
        clock.now_s += 1
        flowing.decoded(frame())
    assert health.unready(metrics) == ["front: online, its model is stuck"]
    assert health.wedged(metrics) == ["front: a frame has waited 31 s for its model"]


def test_one_camera_that_flows_is_enough(metrics, flowing):
    metrics.camera("side")
    assert health.unready(metrics) == []


def test_files_that_have_all_ended_are_ready(metrics, flowing, clock, notice):
    flowing.noticed(notice("ended"))
    clock.now_s += 1000
    assert (health.wedged(metrics), health.unready(metrics)) == ([], [])


def test_the_status_tells_age_state_and_drops(metrics, flowing, clock):
    flowing.dropped("model")
    clock.now_s += 2
    camera = health.status(metrics)["cameras"]["front"]
    assert (camera["last_frame_age_s"], camera["state"], camera["dropped"]) == (2.0, "online", {"model": 1})


def test_the_status_shows_no_password(metrics, notice):
    metrics.camera("front").noticed(notice("failed", "rtsp://u:secret@h refused"))
    assert "secret" not in str(health.status(metrics))


def test_a_camera_is_given_as_long_as_its_own_source_bears_to_wait(metrics, flowing, clock):
    flowing.watch(None, patience_s=70)
    clock.now_s += 99
    assert health.wedged(metrics) == []
    clock.now_s += 2
    assert health.wedged(metrics) == ["front: online, yet no frame for 101 s"]


def test_a_file_whose_frames_are_far_apart_is_live(metrics, flowing, clock):
    flowing.watch(None, patience_s=math.inf)
    clock.now_s += 10_000
    assert health.wedged(metrics) == []


def test_a_file_whose_model_is_stuck_is_not_live(metrics, flowing, clock, frame):
    flowing.watch(None, patience_s=math.inf)
    flowing.decoded(frame())
    clock.now_s += 31
    assert health.wedged(metrics) == ["front: a frame has waited 31 s for its model"]


@pytest.mark.parametrize(("policy", "there"), [("any", True), ("all", False), (1, True), (2, False), (9, False)])
def test_how_many_must_deliver_is_the_operators_affair(metrics, flowing, policy, there):
    metrics.ready = policy
    metrics.camera("side")
    assert (health.unready(metrics) == []) is there


@pytest.mark.parametrize("policy", ["any", "all", 9])
def test_a_file_that_has_ended_counts_for_nobody(metrics, flowing, notice, policy):
    metrics.ready = policy
    metrics.camera("side").state = "ended"
    assert health.unready(metrics) == []
    flowing.state = "reconnecting"
    flowing.last_frame_ns = None
    assert health.unready(metrics)


def test_the_status_tells_how_the_last_reload_went(metrics):
    metrics.reloaded(refused="rtsp://u:secret@h is no camera")
    found = health.status(metrics)["config"]
    assert (found["generation"], found["refused"], found["refused_because"]) == (1, 1, "rtsp://***@h is no camera")
