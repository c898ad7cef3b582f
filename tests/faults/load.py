"""What is done to a rig again and again, and how it is seen that nothing grows by it."""

import statistics
import time

from tests.faults.rig import resources

SOAK_S = 8.0
SOAK_MB_PER_H = 150.0  # so much in 8 s is a third of a MB; a warm daemon's was 70 at most, and 15 half a minute later
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
    """The slope of memory by least squares; samples are pairs of seconds and resources."""
    return statistics.linear_regression([at_s for at_s, _ in samples], [used[0] for _, used in samples]).slope * 3600


def climb_mb_per_h(samples):
    """The slope that memory has nearly all the time: the median over all pairs of samples that are a thirtieth to a
    tenth of them apart (after Theil and Sen, whose pairs are as far apart as can be); samples as for `slope_mb_per_h`.

    glibc's heaps grow by steps while what is in use in them stands still: by 170 kB where there is no room left for
    the parameter sets of a key frame (174 kB, taken and freed by FFmpeg's parser and by its decoder), by up to a MB
    after a moment in which the machine was too busy. Two of the former within 25 minutes are 1 MB/h by least squares.
    Here a step counts in the few pairs that it lies between; what leaks, be it only when a camera comes back, counts
    in all of them. What leaks less often than every fifth minute would pass for steps: only a longer soak shows it.
    """
    near, far = max(1, len(samples) // 30), max(1, len(samples) // 10)
    pairs = [
        (used[0] - before[0]) / (at_s - before_s)
        for apart in range(near, far + 1)
        for (before_s, before), (at_s, used) in zip(samples, samples[apart:], strict=False)
    ]
    return statistics.median(pairs) * 3600


def grown(samples, mb_per_h, slope=slope_mb_per_h):
    """What has grown over samples of seconds and resources, in words; nothing where all is well.

    Memory by its `slope`; threads and open files by their medians in the first and the last third, so that what comes
    and goes with a connection counts for nothing, and one left behind counts.
    """
    rises = slope(samples)
    found = [f"memory by {rises:+.2f} MB/h, not under {mb_per_h:g}"] if rises >= mb_per_h else []
    third = max(1, len(samples) // 3)
    for index, what in ((1, "threads"), (2, "open files")):
        first, last = (
            statistics.median(used[index] for _, used in part) for part in (samples[:third], samples[-third:])
        )
        found += [f"{what} from {first:g} to {last:g}"] if last > first else []
    return found


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
