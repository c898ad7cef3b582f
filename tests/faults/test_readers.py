"""Whoever reads, or does not, or talks nonsense: the daemon goes on, and everybody else gets every message."""

import contextlib
import itertools
import random
import socket

import pytest
import zmq

from tests.faults.load import SCENES

pytestmark = pytest.mark.timeout(180)

FRAMES = 10  # of one camera, looked at after each fault


@pytest.fixture(scope="module")
def running(rig):
    rig.cameras = {"front": SCENES}
    rig.sections = {"publish": {**_publish(rig), "file": {"path": "/dev/full"}}}
    rig.start()
    rig.until(lambda: rig.frames("front"), "frames")
    yield rig
    assert rig.stop() == 0, rig.log
    assert "Traceback" not in rig.log


def _publish(rig):
    return {
        "detections": {"bind": rig.endpoint},
        "video": {"bind": rig.video, "when": "always", "preset": "ultrafast"},
    }


@pytest.fixture
def context():
    with zmq.Context() as made:
        yield made
        made.destroy(0)


def subscribe(context, endpoint, topic=b""):
    reader = context.socket(zmq.SUB)
    reader.set(zmq.RCVHWM, 1)
    reader.set(zmq.SUBSCRIBE, topic)
    reader.connect(endpoint)
    return reader


def nothing_is_lost(rig):
    """Whether the reader of the rig has had every one of the next frames."""
    seen = len(rig.heard.messages)
    rig.until(lambda: len(rig.frames("front", seen)) >= FRAMES, "frames")
    frames = rig.frames("front", seen)
    return all(b.seq == a.seq + 1 and b.session == a.session for a, b in itertools.pairwise(frames))


def test_a_reader_that_never_reads_costs_nobody_a_message(running, context):
    for endpoint in (running.endpoint, running.video):
        subscribe(context, endpoint)
    running.until(lambda: running.status("front")["video"]["packets"] > 5, "video")
    assert nothing_is_lost(running)


def test_two_hundred_readers_all_get_messages_and_leave_nothing_open(running, context):
    before = running.resources()[2]
    readers = [subscribe(context, running.endpoint, b"det/front/") for _ in range(200)]
    for reader in readers:
        assert reader.poll(30_000), "no message for one of the readers"
    assert nothing_is_lost(running)
    for reader in readers:
        reader.close(0)
    running.until(lambda: running.resources()[2] <= before + 5, "their connections to be closed")


def test_readers_that_vanish_leave_no_open_files(running, context):
    before = running.resources()[2]
    readers = [subscribe(context, running.endpoint) for _ in range(50)]
    for reader in readers:
        assert reader.poll(30_000)
    assert running.resources()[2] >= before + 50
    for reader in readers:
        reader.close(0)
    running.until(lambda: running.resources()[2] <= before + 5, "their connections to be closed")


# ZMTP 3.0 (rfc.zeromq.org/spec/23): a greeting of 64 bytes, a READY command, then frames of flags, length and data
GREETING = b"\xff" + bytes(8) + b"\x7f\x03\x00" + b"NULL".ljust(20, b"\0") + bytes(32)
READY = b"\x04\x19\x05READY\x0bSocket-Type\x00\x00\x00\x03SUB"
ITS_READY = b"\x04\x1a\x05READY\x0bSocket-Type\x00\x00\x00\x04XPUB"
ANSWERS = {GREETING: len(GREETING), READY: len(ITS_READY)}  # bytes


def talk(rig, *parts):
    """Say something to the socket of detections, as long as it listens.

    Its answers are waited for: whoever goes on before them has failed the handshake, and is heard no further.
    """
    with socket.socket(socket.AF_UNIX) as line, line.makefile("rb") as answers:
        line.settimeout(30)
        line.connect(rig.endpoint.removeprefix("ipc://"))
        for part in parts:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                line.sendall(part)
            if part in ANSWERS:
                assert len(answers.read(ANSWERS[part])) == ANSWERS[part]


@pytest.mark.parametrize("before", [(), (GREETING,), (GREETING, READY)], ids=["at once", "greeted", "ready"])
def test_garbage_on_the_socket_is_nobody_s_trouble(running, before):
    rng = random.Random(len(before))
    for _ in range(20):
        talk(running, *before, rng.randbytes(5_000))
    assert nothing_is_lost(running)


def test_subscriptions_without_end_are_nobody_s_trouble(running):
    rng = random.Random(0)
    topics = [rng.choice([b"\x01", b"\x00", b"\x07"]) + rng.randbytes(rng.randrange(200)) for _ in range(5_000)]
    talk(running, GREETING, READY, *(bytes([0, len(topic)]) + topic for topic in topics))
    assert nothing_is_lost(running)


def test_a_topic_of_a_gigabyte_is_not_taken(running):
    before_mb, _, _ = running.resources()
    talk(running, GREETING, READY, b"\x02" + (1 << 30).to_bytes(8, "big"), *[bytes(1 << 20)] * 64)
    assert nothing_is_lost(running)
    assert running.resources()[0] < before_mb + 32


def test_a_full_disk_under_the_file_of_messages_costs_its_lines_alone(running):
    assert nothing_is_lost(running)
    assert running.log.count("lines are lost") == 1
