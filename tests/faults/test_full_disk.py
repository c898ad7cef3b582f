"""A disk that fills up while a camera is recorded: one clear line, exit 1, and what was written plays."""

import subprocess
import sys

import av
import pytest

pytestmark = pytest.mark.timeout(180)


@pytest.fixture
def small_disk(tmp_path):
    """A folder on a disk of 600 kB."""
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", str(tmp_path)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("this user may not mount a small disk")
    yield tmp_path
    subprocess.run(["umount", "-l", str(tmp_path)], check=True)


def test_a_disk_that_fills_while_recording(rig, small_disk):
    rig.cameras = {"front": {"uri": "scenes:?width=320&height=240&fps=20"}}
    video = {"bind": rig.video, "preset": "ultrafast", "crf": 8, "keyframe_interval": "500ms"}
    rig.sections = {"publish": {"detections": {"bind": rig.endpoint}, "video": video}}
    rig.start()
    rig.until(lambda: rig.frames("front"), "frames")
    command = [sys.executable, "-m", "streamd", "record", rig.video, "--camera", "front", "--out", str(small_disk)]
    recorder = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert recorder.returncode == 1
    assert "No space left on device" in recorder.stderr
    assert "Traceback" not in recorder.stderr
    (film,) = small_disk.glob("*.mp4")
    with av.open(str(film)) as container:
        assert sum(1 for _ in container.decode(video=0)) > 1
    seen = len(rig.heard.messages)
    rig.until(lambda: rig.frames("front", seen), "frames after the recorder has gone")
    assert rig.stop() == 0, rig.log
