"""Signals at awkward moments: none may find a thread that dies of it, and the log may vanish meanwhile."""

import os
import signal
import subprocess
import sys
from contextlib import suppress

import pytest


@pytest.fixture
def bottles(house, real):
    return house.config(
        {"bottle": {"uri": str(real / "bottle-detection.mp4"), "loop": True}}, {"path": str(real / "yolox_nano.onnx")}
    )


def wait_for(word, house, process):
    """Wait until the process logs a word; fail when it ends before."""
    while word not in house.printed(process)[1]:
        assert not ends_within(0.01, process), house.printed(process)[1]


def ends_within(seconds, process):
    """Wait for the process to end, for so long at most; true when it has."""
    with suppress(subprocess.TimeoutExpired):
        process.wait(seconds)
    return process.poll() is not None


@pytest.mark.timeout(60)
def test_a_storm_of_reloads_changes_nothing(house, bottles):
    daemon = house.start("serve", bottles)
    wait_for('"online"', house, daemon)
    for _ in range(500):
        daemon.send_signal(signal.SIGHUP)
        assert not ends_within(0.001, daemon)
    _, log = house.end(daemon, signal.SIGTERM)
    assert daemon.returncode == 0, log
    assert '"reloaded"' in log


@pytest.mark.timeout(60)
@pytest.mark.parametrize("word", ["video encoder", "model recognised"])
def test_a_signal_while_the_daemon_starts_ends_it_cleanly(house, bottles, word):
    daemon = house.start("serve", bottles)
    wait_for(word, house, daemon)
    _, log = house.end(daemon, signal.SIGTERM)
    assert daemon.returncode == 0, log


@pytest.mark.timeout(60)
def test_a_log_that_nobody_reads_any_more_ends_nothing(house, bottles):
    read, write = os.pipe()
    daemon = subprocess.Popen([sys.executable, "-m", "streamd", "serve", str(bottles)], stderr=write)
    os.close(write)
    try:
        os.read(read, 1)
        os.close(read)
        code, out, log = house.run("subscribe", house.detections, "--count", "3")
        assert code == 0, log
        assert len(out.splitlines()) == 3
        daemon.terminate()
        assert daemon.wait(30) == 0
    finally:
        daemon.kill()
        daemon.wait()
