"""Signals at awkward moments: none may find a thread that dies of it, and the log may vanish meanwhile."""

import os
import signal
import subprocess
import sys
import time

import pytest


@pytest.fixture
def bottles(house, real):
    return house.config(
        {"bottle": {"uri": str(real / "bottle-detection.mp4"), "loop": True}}, {"path": str(real / "yolox_nano.onnx")}
    )


def wait_for(word, house, process):
    """Wait until the process logs a word; fail when it ends before."""
    while word not in house.printed(process)[1]:
        assert process.poll() is None, house.printed(process)[1]
        time.sleep(0.01)


@pytest.mark.timeout(60)
def test_a_storm_of_reloads_changes_nothing(house, bottles):
    daemon = house.start("serve", bottles)
    wait_for('"online"', house, daemon)
    for _ in range(500):
        daemon.send_signal(signal.SIGHUP)
        time.sleep(0.001)
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
