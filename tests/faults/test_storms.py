"""Signals in any number and configurations of any kind: the daemon runs on, or ends as it should."""

import random
import signal

import pytest

from tests.faults.load import SCENES

pytestmark = pytest.mark.timeout(180)


@pytest.fixture
def running(rig):
    rig.cameras = {"front": SCENES}
    rig.start()
    seen = len(rig.heard.messages)
    rig.until(lambda: rig.frames("front", seen), "frames")
    return rig


def mangled(text, rng):
    """The text with some of its bytes changed, some lines doubled, lost or moved, or its end cut off."""
    lines = text.splitlines()
    for _ in range(rng.randrange(1, 4)):
        at = rng.randrange(len(lines))
        line = lines[at]
        where = rng.randrange(len(line) + 1)
        lines[at : at + 1] = rng.choice(
            [
                [],
                [line, line],
                [line[:where] + rng.choice("\0\t:{}[]&*!|>%@`'\"#-0é\u2028") + line[where:]],
                [line[:where]],
                [" " * rng.randrange(5) + line.strip()],
                lines[:at],
            ]
        ) or [""]
    return "\n".join(lines)


def test_reloads_of_mangled_files_leave_it_running(running):
    rng, path = random.Random(8), running.config()
    good = path.read_text()
    for _ in range(40):
        done = running.sum("streamd_reloads_total")
        path.write_text(mangled(good, rng))
        running.daemon.send_signal(signal.SIGHUP)
        running.until(lambda done=done: running.sum("streamd_reloads_total") > done, "the reload")
    running.reload()
    seen = len(running.heard.messages)
    running.until(lambda: running.frames("front", seen), "frames after it all")
    assert running.sum("streamd_reloads_total", "refused") > 10
    assert running.stop() == 0, running.log
    assert "Traceback" not in running.log


def test_signals_to_end_amid_signals_to_reload_end_it(running):
    for _ in range(200):
        running.daemon.send_signal(signal.SIGHUP)
    running.daemon.send_signal(signal.SIGTERM)
    for _ in range(200):
        running.daemon.send_signal(signal.SIGHUP)
    assert running.daemon.wait(30) == 0, running.log
    assert "Traceback" not in running.log


def test_a_storm_of_signals_to_end_ends_it_at_once(running):
    for _ in range(50):
        running.daemon.send_signal(signal.SIGTERM)
    assert running.daemon.wait(30) in (0, 1)  # the second means: at once
    assert "Traceback" not in running.log
