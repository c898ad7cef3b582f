"""Who is let in, over real sockets: one with a permitted key hears all, one without not a byte."""

import socket
import threading
from contextlib import suppress

import pytest
import zmq

from streamd import config
from streamd.clock import SystemClock
from streamd.errors import PublishError
from streamd.publish import ZeroMQSink
from tests.publish.test_zeromq import LABELS, packet, until

ANYWHERE = "tcp://0.0.0.0:*"


class Pair:
    def __init__(self):
        self.public, self.secret = zmq.curve_keypair()

    def options(self, server):
        return {
            "curve_serverkey": server.public,
            "curve_publickey": self.public,
            "curve_secretkey": self.secret,
        }


@pytest.fixture
def server():
    return Pair()


@pytest.fixture
def friend():
    return Pair()


@pytest.fixture
def encrypted(tmp_path, server, friend):
    """Opens a sink that lets the friend in, and has its doorkeeper serve unless it is told not to."""
    (tmp_path / "server.secret").write_text(server.secret.decode() + "\n")
    (tmp_path / "clients").write_text(f"{friend.public.decode()} a friend\n")
    stop, threads, sinks = threading.Event(), [], []

    def make(*, served=True, listed=True, **options):
        clients = {"curve_client_keys_file": "clients"} if listed else {"insecure": True}
        keys = {"curve_secret_key_file": "server.secret", **clients, **options}
        settings = config.Publish(
            detections=config.DetectionsSocket(bind=ANYWHERE, **keys), video=config.VideoSocket(bind=ANYWHERE, **keys)
        )
        sink = ZeroMQSink(settings, SystemClock(), tmp_path)
        sinks.append(sink)
        if served:
            threads.append(threading.Thread(target=lambda: list(sink.doorkeeper.serve(stop))))
            threads[-1].start()
        return sink

    yield make
    stop.set()
    for thread in threads:
        thread.join(10)
    for sink in sinks:
        sink.close()


def at(sink, name="detections"):
    return sink.endpoints[name].replace("0.0.0.0", "127.0.0.1")


def test_a_permitted_key_hears_all_and_no_other_key_a_byte(encrypted, server, friend, subscribe, frame, found):
    sink = encrypted()
    known = subscribe(at(sink), "", **friend.options(server))
    strangers = [
        subscribe(at(sink), ""),  # no encryption
        subscribe(at(sink), "", **Pair().options(server)),  # a key that is on no list
        subscribe(at(sink), "", **friend.options(Pair())),  # takes the daemon for another
    ]
    refused = [each.get_monitor_socket(zmq.EVENT_HANDSHAKE_FAILED_AUTH | zmq.EVENT_DISCONNECTED) for each in strangers]
    assert until(lambda: sink.subscribers("detections"))
    assert refused[1].poll(5_000)
    for _ in range(100):
        sink.detections([frame], [found], LABELS, "street")
    assert all(known.recv_multipart()[0] == b"det/front/" for _ in range(100))
    assert not any(each.poll(0) for each in strangers)


def test_the_wire_shows_nothing_of_a_message(encrypted, server, friend, subscribe):
    """A relay between the two sees every byte of both directions."""
    sink = encrypted()
    seen = bytearray()
    with socket.create_server(("127.0.0.1", 0)) as door:
        threading.Thread(
            target=relay, args=(door, int(at(sink, "video").rpartition(":")[2]), seen), daemon=True
        ).start()
        known = subscribe(f"tcp://127.0.0.1:{door.getsockname()[1]}", "h264/front/", **friend.options(server))
        assert until(lambda: sink.wanted("front"))
        sink.video(packet(data=b"a face at the window"))
        assert known.recv_multipart()[2] == b"a face at the window"
    assert b"CURVE" in seen
    assert b"window" not in seen and b"h264/front" not in seen


def relay(door, port, seen):
    near, _ = door.accept()
    with near, socket.create_connection(("127.0.0.1", port)) as far:

        def pour(source, sink):
            with suppress(OSError):  # the other direction has ended, and closed both
                while data := source.recv(65536):
                    seen.extend(data)
                    sink.sendall(data)

        back = threading.Thread(target=pour, args=(far, near), daemon=True)
        back.start()
        pour(near, far)


def test_without_a_doorkeeper_nobody_is_let_in(encrypted, server, friend, subscribe):
    sink = encrypted(served=False)
    peer = subscribe(at(sink), "", **friend.options(server))
    heard = peer.get_monitor_socket(zmq.EVENT_HANDSHAKE_SUCCEEDED)
    assert not until(lambda: sink.subscribers("detections") or heard.poll(0), seconds=0.3)


def test_a_key_that_is_added_counts_from_the_next_connection_on(encrypted, server, subscribe, tmp_path):
    sink, newcomer = encrypted(), Pair()
    peer = subscribe(at(sink), "det/", reconnect_ivl=20, **newcomer.options(server))
    refused = peer.get_monitor_socket(zmq.EVENT_HANDSHAKE_FAILED_AUTH | zmq.EVENT_DISCONNECTED)
    assert refused.poll(5_000)
    (tmp_path / "clients").write_text(newcomer.public.decode())
    peer = subscribe(at(sink), "det/", **newcomer.options(server))
    assert until(lambda: sink.subscribers("detections"))


def test_a_list_that_is_broken_lets_nobody_in(encrypted, server, friend, subscribe, tmp_path):
    sink = encrypted()
    (tmp_path / "clients").write_text("what is this")
    peer = subscribe(at(sink), "det/", **friend.options(server))
    assert peer.get_monitor_socket(zmq.EVENT_HANDSHAKE_FAILED_AUTH | zmq.EVENT_DISCONNECTED).poll(5_000)
    assert not sink.subscribers("detections")


def test_without_a_list_whoever_knows_the_public_key_is_let_in(encrypted, server, subscribe):
    sink = encrypted(listed=False)
    peer = subscribe(at(sink), "det/", **Pair().options(server))
    assert until(lambda: sink.subscribers("detections")) and not peer.closed


@pytest.mark.parametrize(
    "request_",
    [
        [b"1.0", b"1"],
        [b"1.0", b"1", b"publish.detections", b"1.2.3.4", b"", b"NULL"],
        [b"1.0", b"1", b"publish.detections", b"1.2.3.4", b"", b"CURVE", b"short"],
        [b"1.0", b"1", b"another", b"1.2.3.4", b"", b"CURVE", b"x" * 32],
    ],
)
def test_a_request_that_makes_no_sense_is_refused(encrypted, request_):
    sink = encrypted()
    with sink._context.socket(zmq.REQ) as asker:
        asker.rcvtimeo = 5_000
        asker.connect("inproc://zeromq.zap.01")
        asker.send_multipart(request_)
        assert asker.recv_multipart()[2] == b"400"


def test_a_key_alone_does_not_let_in_other_machines(encrypted):
    with pytest.raises(PublishError, match="whoever knows the public key is let in"):
        encrypted(served=False, listed=False, insecure=False)
