"""Real sockets: what is sent, to whom, and what a bad peer or address does."""

import os
import socket
import stat
import threading

import msgspec
import pytest
import zmq

from streamd import config, wire
from streamd.clock import SystemClock
from streamd.errors import PublishError
from streamd.frames import Detections, Notice, Packet
from streamd.publish import ZeroMQSink
from streamd.publish.outlet import MAX_TOPICS

LABELS = ("person", "car")


def until(condition, seconds=5.0):
    """Ask until it holds; the socket's own thread needs a moment to hear of peers."""
    tick = threading.Event()
    for _ in range(int(seconds * 200)):
        if condition():
            return True
        tick.wait(0.005)
    return False


def packet(camera="front", *, data=b"\0\0\0\1unit"):
    return Packet(camera, 17, 3, 100, 200, 64, 48, True, 5, data)


def bound(bind, **options):
    return config.Publish(detections=config.DetectionsSocket(bind=bind, **options), video=None)


def test_detections_arrive_as_topic_and_message(sink, subscribe, frame, found):
    peer = subscribe(sink.endpoints["detections"], "det/front/")
    assert until(lambda: sink.subscribers("detections"))
    sink.detections([frame], [found], LABELS, "street")
    topic, body = peer.recv_multipart()
    message = wire.decode(body, wire.Detections)
    assert topic == b"det/front/"
    assert (message.camera, message.session, message.seq, message.pts_ns) == ("front", 17, 3, 100)
    assert (message.width, message.height, message.model) == (64, 48, "street")
    assert message.published_at_ns > message.captured_at_ns
    assert message.detections == (
        wire.Detection(1, "car", 0.9123, (1.23, 2.0, 30.0, 40.0)),
        wire.Detection(9, "class 9", 0.5, (0.0, 0.0, 5.0, 5.0)),
    )


def test_nothing_found_is_published_too(sink, subscribe, frame):
    peer = subscribe(sink.endpoints["detections"], "det/")
    assert until(lambda: sink.subscribers("detections"))
    sink.detections([frame], [Detections.none()], LABELS, "street")
    assert wire.decode(peer.recv_multipart()[1], wire.Detections).detections == ()


def test_events_and_video_arrive(sink, subscribe):
    events = subscribe(sink.endpoints["detections"], "det/", "event/")
    video = subscribe(sink.endpoints["video"], "h264/front/")
    assert until(lambda: sink.subscribers("detections") and sink.wanted("front"))
    sink.event(Notice("front", 17, "reconnecting", 5, "timed out"))
    sink.video(packet())
    topic, body = events.recv_multipart()
    assert (topic, wire.decode(body, wire.Event)) == (
        b"event/front/",
        wire.Event("front", 17, "reconnecting", 5, "timed out"),
    )
    topic, header, unit = video.recv_multipart()
    assert (topic, unit) == (b"h264/front/", b"\0\0\0\1unit")
    assert wire.decode(header, wire.VideoHeader) == wire.VideoHeader("front", 17, 3, 100, 200, 64, 48, True, 5)


def test_messagepack_on_request(subscribe, frame, found):
    settings = config.Publish(
        detections=config.DetectionsSocket(bind="tcp://127.0.0.1:*", format="msgpack"), video=None
    )
    sink = ZeroMQSink(settings, SystemClock())
    peer = subscribe(sink.endpoints["detections"], "det/")
    assert until(lambda: sink.subscribers("detections"))
    sink.detections([frame], [found], LABELS, "street")
    assert msgspec.msgpack.decode(peer.recv_multipart()[1])["camera"] == "front"
    sink.close()


@pytest.mark.parametrize(
    "topic,front,back", [("h264/front/", 1, 0), ("h264/", 1, 1), ("", 1, 1), ("h264/f", 1, 0), ("det/", 0, 0)]
)
def test_video_is_wanted_while_somebody_subscribes_to_it(sink, subscribe, topic, front, back):
    assert not sink.wanted("front")
    peer = subscribe(sink.endpoints["video"], topic)
    if front:
        assert until(lambda: sink.wanted("front"))
    assert (sink.wanted("front"), sink.wanted("back")) == (front, back)
    peer.close()
    assert until(lambda: not sink.wanted("front"))


def test_one_of_two_watchers_leaving_does_not_end_the_video(sink, subscribe):
    first = subscribe(sink.endpoints["video"], "h264/front/")
    second = subscribe(sink.endpoints["video"], "h264/front/")
    assert until(lambda: sink.wanted("front"))
    sink.video(packet())
    assert first.recv_multipart() and until(lambda: (sink.video(packet()), second.poll(10))[1])
    first.close()
    second.unsubscribe("h264/front/")
    assert until(lambda: not sink.wanted("front"))


def test_without_a_video_socket_none_is_wanted_and_none_sent():
    sink = ZeroMQSink(bound("tcp://127.0.0.1:*"), SystemClock())
    sink.video(packet())
    assert not sink.wanted("front") and sink.subscribers("video") == 0 and list(sink.endpoints) == ["detections"]
    sink.close()


def test_a_subscriber_that_never_reads_holds_nobody_up(sink, subscribe, frame, found):
    sleeper = subscribe(sink.endpoints["video"], "h264/", rcvhwm=1)
    reader = subscribe(sink.endpoints["video"], "h264/back/")
    assert until(lambda: sink.wanted("front") and sink.subscribers("video") == 2)
    for _ in range(4_000):
        sink.video(packet(data=bytes(20_000)))
    sink.video(packet("back", data=b"last"))
    assert reader.recv_multipart()[2] == b"last" and not sleeper.closed


def test_garbage_from_peers_changes_nothing(sink, subscribe, context, frame, found):
    endpoint = sink.endpoints["detections"]
    host, port = endpoint.removeprefix("tcp://").split(":")
    early = subscribe(endpoint, "det/")
    assert until(lambda: sink.subscribers("detections"))
    with socket.create_connection((host, int(port))) as raw:
        raw.sendall(b"GET / HTTP/1.1\r\n\r\n" + os.urandom(2_000))
    rude = context.socket(zmq.XSUB)
    rude.connect(endpoint)
    for junk in (b"", b"\x02junk", b"\xff" * 100, b"\x01" + b"x" * 900, b"\x00never", b"\x01" + b"y" * 100_000):
        rude.send(junk)
    rude.send_multipart([b"a", b"b", b""])
    # A subscription of the rude one's own making may be held for a while, so the count tells nothing of the late one.
    late = subscribe(endpoint, "det/")
    assert until(lambda: sink.detections([frame], [found], LABELS, "street") or late.poll(100))
    for peer in (early, late):
        assert peer.recv_multipart()[0] == b"det/front/"


def test_a_message_that_a_peer_left_open_swallows_nobody_s_subscription(sink, subscribe):
    endpoint = sink.endpoints["video"]
    host, port = endpoint.removeprefix("tcp://").split(":")
    greeting = b"\xff" + bytes(8) + b"\x7f\x03\x00" + b"NULL".ljust(20, b"\0") + bytes(32)  # ZMTP 3.0
    with socket.create_connection((host, int(port))) as raw, raw.makefile("rb") as answers:
        raw.sendall(greeting)
        answers.read(len(greeting))
        raw.sendall(b"\x04\x19\x05READY\x0bSocket-Type\x00\x00\x00\x03SUB")
        answers.read(28)
        topic = b"\x00\x08\x01h264/a/"
        raw.sendall(topic + b"\x01\x01x" + topic)  # after x more follows, which libzmq does not pass on: it knows it
        assert until(lambda: sink.wanted("a"))
        late = subscribe(endpoint, "h264/front/")
        assert until(lambda: sink.wanted("front")) and not late.closed


def test_a_flood_of_messages_is_read_and_thrown_away(sink, context):
    rude = context.socket(zmq.XSUB)
    rude.sndhwm = 0
    rude.connect(sink.endpoints["video"])
    for i in range(20_000):
        rude.send(b"\x02" + str(i).encode())
    rude.send(b"\x01h264/front/")
    assert until(lambda: sink.wanted("front"))


def test_of_subscriptions_without_end_a_bounded_number_is_kept_in_mind(sink, context, subscribe):
    rude = context.socket(zmq.XSUB)
    rude.sndhwm = 0
    rude.connect(sink.endpoints["video"])
    for number in range(MAX_TOPICS + 500):
        rude.send(b"\x01h264/" + str(number).encode())
    rude.send(b"\x00h264/0")
    assert until(lambda: sink.subscribers("video") and not sink.wanted("0"), 10)
    assert sink.subscribers("video") < MAX_TOPICS
    rude.close()
    assert until(lambda: sink.subscribers("video") == 0)
    peer = subscribe(sink.endpoints["video"], "h264/front/")
    assert until(lambda: sink.wanted("front")) and not peer.closed


def test_what_was_sent_before_the_end_still_arrives(settings, subscribe, frame, found):
    sink = ZeroMQSink(settings, SystemClock())
    peer = subscribe(sink.endpoints["detections"], "det/")
    assert until(lambda: sink.subscribers("detections"))
    for _ in range(3_000):
        sink.detections([frame], [found], LABELS, "street")
    sink.close()
    sink.close()
    assert all(peer.recv_multipart() for _ in range(3_000))


def test_sending_after_the_end_does_nothing(settings, frame, found):
    sink = ZeroMQSink(settings, SystemClock())
    sink.close()
    sink.detections([frame], [found], LABELS, "street")
    sink.event(Notice("front", 1, "offline", 1))
    assert not sink.wanted("front")


def test_many_threads_may_send_and_ask_at_once(sink, subscribe, frame, found):
    peer = subscribe(sink.endpoints["detections"], "det/")
    assert until(lambda: sink.subscribers("detections"))
    threads = [
        threading.Thread(
            target=lambda: [sink.detections([frame], [found], LABELS, "m") or sink.wanted("x") for _ in range(200)]
        )
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    assert all(len(peer.recv_multipart()) == 2 for _ in range(800))
    for thread in threads:
        thread.join()


def test_a_port_in_use_is_named_with_the_mend(sink):
    taken = sink.endpoints["detections"]
    with pytest.raises(PublishError, match=rf"publish.detections.bind: cannot bind {taken}: .*another program has it"):
        ZeroMQSink(bound(taken), SystemClock())


@pytest.mark.parametrize("bind", ["tcp://127.0.0.1:99999", "tcp://127.0.0.1", "nonsense", "udp://127.0.0.1:5"])
def test_an_address_that_is_none_is_named(bind):
    with pytest.raises(PublishError, match=r"publish.detections.bind: cannot bind"):
        ZeroMQSink(bound(bind, insecure=True), SystemClock())


def test_an_address_of_another_machine_is_named():
    with pytest.raises(PublishError, match="no such address"):
        ZeroMQSink(bound("tcp://192.0.2.1:5555", insecure=True), SystemClock())


@pytest.mark.parametrize(
    "bind", ["tcp://*:*", "tcp://0.0.0.0:*", "tcp://[::]:*", "tcp://192.0.2.1:5555", "tcp://eth0:5555"]
)
def test_other_machines_are_refused_without_curve_or_insecure(bind):
    with pytest.raises(PublishError, match="nothing is encrypted"):
        ZeroMQSink(bound(bind), SystemClock())


def test_insecure_opens_the_door():
    ZeroMQSink(bound("tcp://0.0.0.0:*", insecure=True), SystemClock()).close()


@pytest.mark.parametrize("text", ["", "short", "x" * 41, "\xe9" * 40])
def test_a_key_file_without_a_key_is_named(tmp_path, text):
    (tmp_path / "server.key").write_text(text)
    with pytest.raises(PublishError, match=r"curve_secret_key_file: .*server.key holds no CURVE secret key"):
        ZeroMQSink(bound("tcp://127.0.0.1:*", curve_secret_key_file="server.key"), SystemClock(), tmp_path)


def test_an_ipc_socket_is_for_its_user_and_group(tmp_path):
    path = tmp_path / "d.sock"
    sink = ZeroMQSink(bound(f"ipc://{path}"), SystemClock())
    assert stat.S_IMODE(path.stat().st_mode) == 0o660
    with pytest.raises(PublishError, match="another program serves"):
        ZeroMQSink(bound(f"ipc://{path}"), SystemClock())
    sink.close()


def test_an_ipc_socket_left_behind_is_replaced(tmp_path):
    path = tmp_path / "d.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    ZeroMQSink(bound(f"ipc://{path}"), SystemClock()).close()


def test_binding_never_removes_a_file(tmp_path):
    path = tmp_path / "precious"
    path.write_text("kept")
    with pytest.raises(PublishError, match="is there and is no socket"):
        ZeroMQSink(bound(f"ipc://{path}"), SystemClock())
    assert path.read_text() == "kept"


def test_an_ipc_folder_that_is_missing_is_named(tmp_path):
    with pytest.raises(PublishError, match="its folder does not exist"):
        ZeroMQSink(bound(f"ipc://{tmp_path}/no/d.sock"), SystemClock())


def test_a_second_socket_that_fails_gives_the_first_back(settings):
    first = ZeroMQSink(settings, SystemClock())
    clash = config.Publish(
        detections=config.DetectionsSocket(bind="tcp://127.0.0.1:*"),
        video=config.VideoSocket(bind=first.endpoints["video"]),
    )
    with pytest.raises(PublishError, match=r"publish\.video\.bind"):
        ZeroMQSink(clash, SystemClock())
    first.close()
