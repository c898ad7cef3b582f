"""What is done to a rig again and again, and how it is seen that nothing grows by it."""

import statistics
import time

from tests.faults.rig import resources

SCENES = {"uri": "scenes:?width=160&height=128&fps=10"}


def flap(scenes, rounds):
    """Break off all cameras at once, as soon as all of them have shown a frame; return how often each came back."""
    rig = scenes[0].rig
    for _ in range(rounds):
        for scene in scenes:
            scene.since = len(rig.heard.messages)
            sessions = [frame.session for frame in rig.frames(scene.name)]
            scene.session = max(sessions, default=0)
        for scene in scenes:
            scene.proxy.reset()
        rig.until(lambda: all(_newer(scene) for scene in scenes), "every camera coming back")


def _newer(scene):
    return any(frame.session > scene.session for frame in scene.rig.frames(scene.name, scene.since))


def come_and_go(rig, camera, cycles):
    """Add a camera by reload, see a frame of it, and take it away by reload; yield the resources after each cycle."""
    before = rig.cameras
    for number in range(cycles):
        name = f"guest-{number % 7}"
        seen = len(rig.heard.messages)
        rig.cameras = {**before, name: camera}
        rig.reload()
        rig.until(lambda name=name, seen=seen: rig.frames(name, seen), f"a frame of {name}")
        rig.cameras = before
        rig.reload()
        rig.until(lambda name=name: not rig.sum("streamd_camera_state", name), f"{name} to be gone")
        del rig.heard.messages[:-1000]
        yield rig.resources()


def slope_mb_per_h(samples):
    """The slope of memory by least squares; samples are pairs of seconds and MB."""
    return statistics.linear_regression(*zip(*samples, strict=True)).slope * 3600


def watch(rig, seconds, every_s, disturb=lambda: None):
    """Sample the daemon for so long, `disturb` called before each sample; yield seconds and resources."""
    began = time.monotonic()
    while (now := time.monotonic() - began) < seconds:
        disturb()
        seen = len(rig.heard.messages)
        rig.heard.wait(lambda seen=seen, now=now: time.monotonic() - began >= now + every_s, every_s + 5)
        assert len(rig.heard.messages) > seen, "nothing is published any more"
        del rig.heard.messages[:-1000]
        yield time.monotonic() - began, resources(rig.daemon.pid)
