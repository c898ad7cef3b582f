"""Sending by hand is what pyzmq's own sending is, and stands back where it cannot be had."""

from types import SimpleNamespace

import pytest
import zmq

from streamd.publish import native

LAST, MORE = int(zmq.NOBLOCK), int(zmq.NOBLOCK | zmq.SNDMORE)


@pytest.fixture
def context():
    with zmq.Context() as context:
        yield context


@pytest.fixture
def pair(context):
    with context.socket(zmq.PAIR) as ours, context.socket(zmq.PAIR) as peer:
        ours.linger = peer.linger = 0
        peer.rcvtimeo = 5_000
        ours.bind("inproc://pair")
        peer.connect("inproc://pair")
        yield ours, peer


def without(monkeypatch, missing):
    """Has libzmq not be had by hand, in one of the ways that happens."""

    def absent():
        raise ImportError("no such backend")

    extensions = {
        "another backend": absent,
        "no file": lambda: SimpleNamespace(__file__=None),
        "no library": lambda: SimpleNamespace(__file__="/nowhere.so"),
        "no function": lambda: SimpleNamespace(__file__="libc.so.6"),
    }
    monkeypatch.setattr(native, "_extension", extensions[missing])


def test_libzmq_is_called_by_hand_with_the_pyzmq_that_is_installed(pair):
    assert native.sender(pair[0]) != pair[0].send


@pytest.mark.parametrize("missing", [None, "another backend", "no file", "no library", "no function"])
def test_parts_arrive_as_they_are(pair, monkeypatch, missing):
    ours, peer = pair
    if missing:
        without(monkeypatch, missing)
    send = native.sender(ours)
    assert (send == ours.send) == bool(missing)
    parts = [b"", b"topic/", b"zero\0amid\0", bytes(range(256)) * 1_000]
    for part in parts[:-1]:
        send(part, MORE)
    send(parts[-1], LAST)
    assert peer.recv_multipart() == parts


def test_what_cannot_be_sent_is_refused_as_pyzmq_refuses_it(context):
    with context.socket(zmq.PUSH) as alone, context.socket(zmq.PULL) as deaf:
        with pytest.raises(zmq.Again):
            native.sender(alone)(b"nobody is there", LAST)
        with pytest.raises(zmq.ZMQError) as refused:
            native.sender(deaf)(b"it only receives", LAST)
    assert refused.value.errno == zmq.ENOTSUP
