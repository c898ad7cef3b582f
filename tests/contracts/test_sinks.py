"""What every sink keeps, wherever it sends."""

import threading
from contextlib import closing

import numpy as np
import pytest
import zmq
from msgspec import UNSET

from streamd import config, wire
from streamd.clock import SystemClock
from streamd.errors import PublishError
from streamd.frames import Detections, Frame, Notice, Packet, Picture
from streamd.publish import SINKS

PLANES = [np.zeros(shape, np.uint8) for shape in ((48, 64), (24, 32), (24, 32))]
FRAME = Frame("front", 17, 3, 100, 200, Picture(*PLANES))
FOUND = Detections(np.array([[1, 2, 30, 40]], np.float32), np.array([0.5], np.float32), np.array([0], np.int32))
NOTICE = Notice("front", 17, "online", 5)
PACKET = Packet("front", 17, 3, 100, 200, 64, 48, True, 0, b"\0\0\0\1unit")


def settings(folder):
    return config.Publish(
        detections=config.DetectionsSocket(bind=f"ipc://{folder}/d"),
        video=config.VideoSocket(bind=f"ipc://{folder}/v"),
        file=config.FileSink(path=f"{folder}/out.jsonl"),
    )


def from_socket(sink, folder, publish, count):
    with zmq.Context() as context, context.socket(zmq.SUB) as peer:
        peer.rcvtimeo = 5_000
        peer.connect(f"ipc://{folder}/d")
        peer.subscribe(b"")
        tick = threading.Event()
        any(sink.subscribers("detections") or tick.wait(0.005) for _ in range(1_000))  # it hears of peers in a while
        publish()
        return [peer.recv_multipart()[1] for _ in range(count)]


def from_file(_sink, folder, publish, _count):
    publish()
    return (folder / "out.jsonl").read_bytes().splitlines()


READERS = {"zeromq": from_socket, "file": from_file}


@pytest.fixture(params=sorted(SINKS))
def kind(request):
    return request.param


@pytest.fixture
def sink(kind, tmp_path):
    with closing(SINKS[kind](settings(tmp_path), SystemClock(), tmp_path)) as sink:
        yield sink


@pytest.fixture
def published(kind, sink, tmp_path):
    """Publishes by a function; returns the messages that a reader gets, one after another."""
    return lambda publish, count=1: READERS[kind](sink, tmp_path, publish, count)


def test_every_sink_has_a_reader():
    assert READERS.keys() == SINKS.keys()


def test_detections_leave_as_a_message_of_the_wire(sink, published):
    (data,) = published(lambda: sink.detections([FRAME], [FOUND], ("person",), "street"))
    message = wire.decode(data, wire.Detections)
    assert (message.camera, message.session, message.seq, message.model) == ("front", 17, 3, "street")
    assert message.detections == (wire.Detection(0, "person", 0.5, (1.0, 2.0, 30.0, 40.0)),)


def test_nothing_found_leaves_too(sink, published):
    (data,) = published(lambda: sink.detections([FRAME], [Detections.none()], (), "street"))
    assert wire.decode(data, wire.Detections).detections == ()


@pytest.mark.parametrize("turned", [False, True])
def test_each_frame_of_a_run_leaves_with_its_own_objects(sink, published, turned):
    def some(*ids):
        boxes = np.array([[i, 2, 30, 40] for i in ids], np.float32).reshape(-1, 4)
        angles = np.array(ids, np.float32) / 10 if turned and ids else None
        return Detections(boxes, np.array(ids, np.float32) / 100, np.array(ids, np.int32), angles)

    frames = [Frame(f"c{at}", 17, at, 100, 200, Picture(*PLANES)) for at in range(4)]
    found = [some(), some(3, 1), some(), some(7)]
    told = [
        wire.decode(data, wire.Detections) for data in published(lambda: sink.detections(frames, found, (), "m"), 4)
    ]
    assert [(one.camera, one.seq) for one in told] == [("c0", 0), ("c1", 1), ("c2", 2), ("c3", 3)]
    objects = [[(each.class_id, each.score, each.box[0], each.angle) for each in one.detections] for one in told]
    want = [[(i, i / 100, float(i), i / 10 if turned else UNSET) for i in ids] for ids in ((), (3, 1), (), (7,))]
    assert objects == want


def test_an_event_leaves_as_a_message_of_the_wire(sink, published):
    (data,) = published(lambda: sink.event(NOTICE))
    assert wire.decode(data, wire.Event) == wire.Event("front", 17, "online", 5)


def test_any_thread_may_publish_and_no_message_is_torn(sink, published):
    def publish():
        threads = [threading.Thread(target=lambda: [sink.event(NOTICE) for _ in range(50)]) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert {wire.decode(data, wire.Event).at_ns for data in published(publish, 200)} == {5}


def test_video_that_nobody_reads_is_taken(sink):
    for _ in range(100):
        sink.video(PACKET)


def test_nobody_needs_to_read(sink):
    for _ in range(100):
        sink.detections([FRAME], [FOUND], (), "street")
        sink.event(NOTICE)


def test_closing_twice_does_no_harm(sink):
    sink.close()
    sink.close()


def test_a_place_that_cannot_be_used_is_an_error_that_names_it(kind, tmp_path):
    with pytest.raises(PublishError, match="nowhere"):
        SINKS[kind](settings(tmp_path / "nowhere"), SystemClock(), tmp_path)
