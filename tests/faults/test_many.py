"""Many cameras that come and go: nothing is left of those that went, and one that stays sees nothing of it."""

import pytest

from tests.faults.load import SCENES, come_and_go, flap
from tests.faults.strikes import Scene

pytestmark = [pytest.mark.rtsp, pytest.mark.timeout(180)]

FLAPPING, ROUNDS, CYCLES, WARM = 20, 2, 20, 7


@pytest.fixture(scope="module")
def scenes(gstreamer, rig):
    target, _ = rig.server(*(f"/c{number}=pattern:160x128:5" for number in range(FLAPPING)))
    made = [Scene(rig, f"c{number}", {}, target) for number in range(FLAPPING)]
    rig.cameras = {scene.name: scene.camera for scene in made} | {"steady": SCENES}
    rig.start()
    rig.until(lambda: all(rig.frames(name) for name in rig.cameras), "frames of every camera")
    return made


def test_twenty_cameras_flap_and_the_steady_one_goes_on(scenes):
    rig = scenes[0].rig
    _, threads, _ = rig.resources()
    flap(scenes, ROUNDS)
    frames = rig.frames("steady")
    assert {frame.session for frame in frames} == {frames[0].session}
    assert all(rig.sum("streamd_reconnects_total", scene.name) >= ROUNDS for scene in scenes)
    assert rig.resources()[1] <= threads + 2  # a pool of FFmpeg's may still be ending


def test_cameras_that_come_and_go_by_reload_leave_nothing(scenes, write_clip):
    rig = scenes[0].rig
    rig.cameras = {"steady": SCENES}
    guest = {"uri": str(write_clip(rig.folder / "guest.mp4", 50)), "loop": True}
    rig.reload()
    rig.until(lambda: not rig.sum("streamd_camera_state", "c0"), "the many to be gone")
    used = list(come_and_go(rig, guest, CYCLES))
    (first_mb, threads, files), (last_mb, *_) = used[WARM], used[-1]
    assert (used[-1][1], used[-1][2]) <= (threads + 1, files + 1)  # an answered request of the status page
    assert last_mb - first_mb < 10
    assert rig.stop() == 0, rig.log
    assert "Traceback" not in rig.log
