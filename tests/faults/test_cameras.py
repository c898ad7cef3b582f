"""Whatever befalls a camera: it is told for what it is, the camera comes back, and no other camera notices."""

import itertools

import pytest

from tests.faults.load import SOAK_MB_PER_H, SOAK_S, grown, watch
from tests.faults.strikes import JPEG, LARGE, MOUNT, STRIKES, Scene

pytestmark = [pytest.mark.rtsp, pytest.mark.timeout(180)]


@pytest.fixture(scope="module")
def scene(gstreamer, rig):
    """A camera to strike at, and one that nobody does, `steady`."""
    large, _ = rig.server(f"/front={LARGE}")
    jpeg, _ = rig.server(f"/front={JPEG}")
    steady, _ = rig.server(f"/steady={MOUNT}")
    made = Scene(rig, "front", {"large": large, "jpeg": jpeg})
    rig.cameras = {"front": made.camera, "steady": {"uri": f"rtsp://127.0.0.1:{steady}/steady"}}
    rig.start()
    rig.until(lambda: rig.frames("front") and rig.frames("steady"), "the first frames")
    return made


@pytest.fixture
def struck(scene):
    """The camera, online, about to be struck."""
    scene.ready()
    return scene


@pytest.mark.parametrize("name", STRIKES)
def test_it_is_told_and_survived(struck, name):
    strike, rig = STRIKES[name], struck.rig
    strike.begin(struck)
    rig.until(lambda: strike.told(struck), f"`{name}` being told")
    healed = len(rig.heard.messages)
    strike.end(struck)

    rig.until(lambda: struck.back(strike, healed), f"frames after `{name}`")
    same = rig.frames("front")[-1].session == struck.session
    assert strike.same_session in (same, None)
    told = [(frame.session, frame.seq) for frame in rig.frames("front", struck.since)]
    assert told == sorted(set(told))
    stamps = [(frame.session, frame.pts_ns) for frame in rig.frames("front", struck.since)]
    assert stamps == sorted(set(stamps))


def test_the_other_camera_has_noticed_nothing(scene):
    rig = scene.rig
    frames = rig.frames("steady")
    assert {frame.session for frame in frames} == {frames[0].session}
    assert {event.state for event in rig.events("steady")} <= {"connecting", "online"}
    gaps = [b.seq - a.seq for a, b in itertools.pairwise(frames)]
    assert min(gaps) >= 1
    assert rig.sum("streamd_reconnects_total", "steady") == 0


def test_nothing_grows_while_it_breaks_off_again_and_again(scene):
    """A soak of seconds, by a daemon that all of the above has warmed: what leaks in minutes shows in it."""
    assert grown(list(watch(scene.rig, SOAK_S, SOAK_S / 20, scene.proxy.reset)), SOAK_MB_PER_H) == []


def test_neither_threads_nor_files_are_left_of_it_and_the_end_is_clean(scene):
    rig = scene.rig
    seen = len(rig.heard.messages)
    rig.until(lambda: rig.frames("front", seen), "frames")
    _, threads, files = rig.resources()
    scene.proxy.reset()
    rig.until(lambda: rig.frames("front", seen)[-1].session > rig.frames("front", seen)[0].session, "a new session")
    assert rig.resources()[1] <= threads
    assert rig.resources()[2] <= files
    assert rig.stop() == 0, rig.log
    assert "Traceback" not in rig.log
    for word in ("right", "changed"):
        assert word not in rig.log
