"""`streamd subscribe` and `streamd record` as processes: output, signals, pipes."""

import signal
import subprocess
import sys

import pytest

from streamd import wire
from streamd.cli.subscribe import line

DETECTIONS = wire.Detections(
    "front", 1, 7, 0, 0, 41_000_000, 64, 48, "street", (wire.Detection(39, "bottle", 0.934, (1.2, 2, 30, 40.6)),)
)


@pytest.fixture
def start():
    running = []

    def run(*arguments, **options):
        options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
        running.append(subprocess.Popen([sys.executable, "-m", "streamd", *arguments], **options))
        return running[-1]

    yield run
    for process in running:
        process.kill()
        process.communicate()


def test_a_line_tells_what_where_and_how_late():
    assert line(DETECTIONS).endswith("front  #7        41.0 ms  bottle 93% [1 2 30 41]")


def test_a_line_stays_a_line_whatever_an_event_says():
    assert "\n" not in line(wire.Event("front", 1, "offline", 10**30, "a\nb\x1b[2J"))


def test_json_is_one_message_a_line_as_on_the_wire(publisher, start):
    process = start("subscribe", publisher.endpoint, "--json", "--count", "2")
    publisher.subscribed(2)
    event = wire.Event("front", 1, "online", 5)
    publisher.send(DETECTIONS)
    publisher.send(event)
    out, _ = process.communicate(timeout=20)
    assert out.splitlines() == [wire.encode(DETECTIONS), wire.encode(event)] and process.returncode == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_subscribe_cleanly(publisher, start, number):
    process = start("subscribe", publisher.endpoint)
    publisher.subscribed(2)
    publisher.send(DETECTIONS)
    process.stdout.readline()
    process.send_signal(number)
    _, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (0, b"")


def test_a_closed_pipe_ends_subscribe_quietly(publisher, start):
    process = start("subscribe", publisher.endpoint)
    publisher.subscribed(2)
    process.stdout.close()
    publisher.send(DETECTIONS)
    assert process.wait(20) == 0 and process.stderr.read() == b""


def test_a_signal_ends_record_with_a_whole_file(publisher, start, tmp_path, make_film):
    process = start("record", publisher.endpoint, "--camera", "front", "--out", str(tmp_path), "--segment", "1s")
    publisher.subscribed()
    for unit in make_film([i * 100_000_000 for i in range(15)]):
        publisher.send(unit)
    first = process.stdout.readline().decode().strip()
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (0, b"") and first.endswith(".mp4") and out.decode().strip().endswith(".mp4")


@pytest.mark.parametrize(
    "arguments,code,said",
    [
        (["subscribe", "nonsense"], 1, b"is no endpoint"),
        (["record", "nonsense", "--camera", "a", "--out", "."], 1, b"is no endpoint"),
        (["record", "--camera", "a/b", "--out", "."], 1, b"is no camera's name"),
        (["record", "--camera", "a", "--out", ".", "--segment", "0"], 2, b"no time at all"),
        (["subscribe", "--server-key", "/nowhere"], 1, b"cannot read /nowhere"),
    ],
)
def test_a_wrong_argument_is_one_clear_line(start, arguments, code, said):
    process = start(*arguments)
    _, err = process.communicate(timeout=20)
    assert process.returncode == code and said in err and b"Traceback" not in err
