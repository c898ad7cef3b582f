"""A subscriber against a real socket: good messages, garbage, restarts."""

import msgspec
import pytest
import structlog
import zmq

from streamd import wire
from streamd.client import Subscriber, Video
from streamd.errors import ClientError


def detections(seq, camera="front", session=1):
    return wire.Detections(camera, session, seq, 0, 0, 0, 64, 48, "street", ())


def header(seq, camera="front", unit=0):
    return wire.VideoHeader(camera, 1, seq, 0, 0, 64, 48, True, unit)


@pytest.fixture
def subscriber(publisher):
    with Subscriber(publisher.endpoint) as subscriber:
        publisher.subscribed(2)
        yield subscriber


def test_messages_come_typed_and_in_order(publisher, subscriber):
    sent = [detections(0), wire.Event("front", 1, "offline", 7), detections(1, "back")]
    for message in sent:
        publisher.send(message)
    assert [subscriber.receive(5) for _ in sent] == sent


def test_raw_is_what_stood_on_the_wire(publisher, subscriber):
    body = b'{ "later": 1, ' + wire.encode(detections(0))[1:]
    publisher.socket.send_multipart([b"det/front/", body])
    assert subscriber.receive(5) == detections(0) and subscriber.raw == body


def test_messagepack_is_read_as_well(publisher, subscriber):
    publisher.socket.send_multipart([b"det/front/", wire.encode(detections(4), "msgpack")])
    assert subscriber.receive(5) == detections(4)


@pytest.mark.parametrize("cameras", [["front"], "front", iter(["front"])], ids=["list", "text", "iterator"])
def test_only_the_cameras_named_come(publisher, cameras):
    with Subscriber(publisher.endpoint, cameras) as subscriber:
        assert sorted(publisher.subscribed(2)) == [b"\x01det/front/", b"\x01event/front/"]
        for camera in ("back", "front-2", "front"):
            publisher.send(detections(0, camera))
        assert subscriber.receive(5) == detections(0, "front")


def test_video_comes_as_header_and_unit(publisher):
    with Subscriber(publisher.endpoint, kinds=["h264"]) as subscriber:
        publisher.subscribed()
        publisher.send(Video(header(0), b"unit"))
        assert subscriber.receive(5) == (header(0), b"unit")


def test_no_message_in_time_is_none(subscriber):
    assert subscriber.receive(0) is None
    assert subscriber.receive(0.01) is None


def test_iterating_yields_messages(publisher, subscriber):
    publisher.send(detections(0))
    assert next(iter(subscriber)) == detections(0)


def test_gaps_are_told_before_the_message_after_them(publisher):
    told = []
    with Subscriber(publisher.endpoint, on_gap=told.append) as subscriber:
        publisher.subscribed(2)
        for camera, seq in [("front", 0), ("back", 9), ("front", 1), ("front", 4), ("back", 10)]:
            publisher.send(detections(seq, camera))
        for _ in range(4):
            subscriber.receive(5)
        assert [(gap.camera, gap.after, gap.before) for gap in told] == [("front", 1, 4)]
        subscriber.receive(5)
        assert len(told) == 1


def test_a_gap_in_video_is_a_unit_that_is_missing_not_a_frame_that_was_not_filmed(publisher):
    told = []
    with Subscriber(publisher.endpoint, kinds=["h264"], on_gap=told.append) as subscriber:
        publisher.subscribed()
        for seq, unit in [(0, 0), (7, 1), (8, 2), (9, 4)]:
            publisher.send(Video(header(seq, unit=unit), b"unit"))
            subscriber.receive(5)
    assert [(gap.after, gap.before, gap.missing) for gap in told] == [(2, 4, 1)]


GARBAGE = [
    [b"det/front/"],
    [b"det/front/", b""],
    [b"det/front/", b"\xff\xfe"],
    [b"det/front/", b"{}"],
    [b"det/front/", b"[" * 5000],
    [b"det/front/", b"{}", b"{}"],
    [b"det/back/", wire.encode(detections(0, "front"))],
    [b"det/front", wire.encode(detections(0, "front"))],
    [b"det/\xff/", wire.encode(detections(0, "front"))],
    [b"event/front/", wire.encode(detections(0))],
    [b"event/front/", msgspec.json.encode({"v": 2, "camera": "front", "session": 1, "kind": "online", "at_ns": 1})],
    [b"det/"],
]


def test_garbage_is_counted_logged_once_and_skipped(publisher, subscriber):
    with structlog.testing.capture_logs() as logged:
        for parts in GARBAGE:
            publisher.socket.send_multipart(parts)
        publisher.send(detections(3))
        assert subscriber.receive(5) == detections(3)
    assert subscriber.skipped == len(GARBAGE)
    assert len(logged) == 1 and logged[0]["log_level"] == "warning"


def test_a_connection_is_seen_to_come_and_go(publisher, publish_at):
    with Subscriber(publisher.endpoint) as subscriber:
        publisher.subscribed(2)
        publisher.send(detections(0))
        assert subscriber.receive(5) and subscriber.connected
        publisher.close()
        for _ in range(50):
            subscriber.receive(0.1)
            if not subscriber.connected:
                break
        assert not subscriber.connected
        again = publish_at(publisher.endpoint)
        again.subscribed(2)
        again.send(detections(1))
        assert subscriber.receive(10) == detections(1) and subscriber.connected
        again.close()


def test_a_daemon_that_comes_later_is_found(publish_at, tmp_path):
    endpoint = f"ipc://{tmp_path}/d.sock"
    with Subscriber(endpoint) as subscriber:
        assert subscriber.receive(0.01) is None and not subscriber.connected
        late = publish_at(endpoint)
        late.subscribed(2)
        late.send(detections(0))
        assert subscriber.receive(5) == detections(0)
        late.close()


@pytest.mark.parametrize("endpoint", ["nonsense", "", "tcp://127.0.0.1", "tcp://127.0.0.1:x", "http://127.0.0.1:1"])
def test_an_endpoint_that_is_none_is_named(endpoint):
    with pytest.raises(ClientError, match=r"is no endpoint: .*; write one such as tcp://127.0.0.1:5555"):
        Subscriber(endpoint)


def test_a_key_that_is_none_is_named():
    with pytest.raises(ClientError, match="no public CURVE key"):
        Subscriber("tcp://127.0.0.1:5555", server_key=b"short")


def test_curve(publish_at):
    public, secret = zmq.curve_keypair()
    server = publish_at()
    server.socket.close()
    server.socket = server.context.socket(zmq.XPUB)
    server.socket.curve_server, server.socket.curve_secretkey = True, secret
    server.socket.rcvtimeo = 5_000
    port = server.socket.bind_to_random_port("tcp://127.0.0.1")
    with Subscriber(f"tcp://127.0.0.1:{port}", server_key=public) as subscriber:
        server.subscribed(2)
        server.send(detections(0))
        assert subscriber.receive(5) == detections(0)
    with Subscriber(f"tcp://127.0.0.1:{port}", server_key=zmq.curve_keypair()[0]) as stranger:
        for _ in range(50):
            stranger.receive(0.1)
            if stranger.refused:
                break
        assert "CURVE" in stranger.refused
    server.close()


def test_closing_twice_does_no_harm(publisher):
    subscriber = Subscriber(publisher.endpoint)
    subscriber.close()
    subscriber.close()
