"""Whoever answers, and however: a status, or one clear line."""

import json
import socket
import threading
from types import SimpleNamespace

import pytest

from streamd.client import pages
from streamd.errors import ClientError

OK = b"HTTP/1.1 200 OK\r\n\r\n"
CAMERA = {
    "state": "online",
    "reason": "",
    "last_frame_age_s": None,
    "fps": 25.0,
    "latency_mean_ms": 1,
    "decoded": 1,
    "corrupt": 0,
    "dropped": {},
    "reconnects": {},
    "video": {"wanted": False, "packets": 0},
}


@pytest.fixture
def answering():
    """Has somebody answer one request with some bytes; returns where, and what was asked. `silent` never hangs up."""
    doors, heard = [], []

    def answer(reply, *, silent=False):
        door = socket.create_server(("127.0.0.1", 0))
        over = threading.Event()

        def serve():
            caller, _ = door.accept()
            with caller:
                heard.append(caller.recv(65536))
                caller.sendall(reply)
                if silent:
                    over.wait(30)

        thread = threading.Thread(target=serve)
        thread.start()
        doors.append((door, over, thread))
        return f"127.0.0.1:{door.getsockname()[1]}", heard

    yield answer
    for door, over, thread in doors:
        over.set()
        thread.join(30)
        door.close()


def test_a_status_comes_as_it_was_sent(answering):
    sent = {"cameras": {"a": CAMERA}, "more": [1]}
    where, heard = answering(OK + json.dumps(sent).encode())
    assert pages.status(where, "let-me-in") == sent
    assert heard[0].startswith(b"GET /status HTTP/1.0\r\n") and b"\r\nAuthorization: Bearer let-me-in\r\n" in heard[0]


@pytest.mark.parametrize(
    "reply",
    [
        b"\0\xff\n\n",
        b"HTTP/1.1 200 " + b"a" * 100_000,
        OK,
        OK + b"[]",
        OK + b'{"cameras": "\xff"}',
        OK + b'{"cameras": {"a": 1}}',
        OK + json.dumps({"cameras": {"a": {**CAMERA, "fps": "x"}}}).encode(),
        OK + json.dumps({"cameras": {}, "uptime_s": float("nan")}).encode(),
        OK + b"[" * 100_000,
    ],
)
def test_what_no_daemon_says_is_one_line(answering, reply):
    where, _ = answering(reply)
    with pytest.raises(ClientError, match=rf"^{where} answers, but not as a daemon does; is that streamd\?$"):
        pages.status(where)


@pytest.mark.parametrize(
    "code,said", [(b"401 \x1b[2J", "401 Unauthorized; give --token-file FILE"), (b"302 Found", "302 Found; is that"),
                  (b"999 x", "999; is that")],
)  # fmt: skip
def test_another_answer_is_told_in_our_own_words(answering, code, said):
    where, _ = answering(b"HTTP/1.1 " + code + b"\r\nLocation: file:///etc/passwd\r\n\r\n")
    with pytest.raises(ClientError, match=f"answers {said}"):
        pages.status(where)


@pytest.mark.parametrize("begun", [b"", OK + b"{"], ids=["nothing", "a beginning"])
def test_who_never_ends_is_not_waited_for(answering, begun, monkeypatch):
    monkeypatch.setattr(pages, "TIMEOUT_S", 0.1)
    where, _ = answering(begun, silent=True)
    with pytest.raises(ClientError, match=r"nobody answers at .*: timed out"):
        pages.status(where)


class Trickle:
    """A connection on which there is always one byte more, a second later."""

    def __init__(self):
        self.seconds = 0

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass

    def settimeout(self, timeout_s):
        pass

    def sendall(self, data):
        pass

    def recv(self, size):
        self.seconds += 1
        return b" "


def test_who_always_sends_a_little_more_is_not_listened_to_for_longer(monkeypatch):
    trickle = Trickle()
    monkeypatch.setattr(pages, "_connected", lambda place, deadline: trickle)
    monkeypatch.setattr(pages, "time", SimpleNamespace(monotonic=lambda: trickle.seconds))
    monkeypatch.setattr(pages, "MAX_BYTES", 1000)
    with pytest.raises(ClientError, match=r"nobody answers at .*: timed out"):
        pages.status("127.0.0.1:1")
    assert trickle.seconds == pages.TIMEOUT_S


class Dead:
    """A connection to where nobody is: what is waited for it passes on a clock."""

    now = 0.0
    made = closed = 0

    def __init__(self, *kind):
        Dead.made += 1

    def settimeout(self, timeout_s):
        self._timeout_s = timeout_s

    def connect(self, address):
        Dead.now += self._timeout_s
        raise TimeoutError("timed out")

    def close(self):
        Dead.closed += 1


def resolved(*ports):
    return lambda host, port, *_, **__: [
        (socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", each or port)) for each in ports
    ]


def test_a_name_of_many_dead_addresses_is_tried_no_longer_than_one(monkeypatch):
    monkeypatch.setattr(pages.socket, "getaddrinfo", resolved(1, 2, 3, 4))
    monkeypatch.setattr(pages.socket, "socket", Dead)
    monkeypatch.setattr(pages, "time", SimpleNamespace(monotonic=lambda: Dead.now))
    with pytest.raises(ClientError, match=r"nobody answers at house:1: timed out"):
        pages.status("house:1")
    assert Dead.now == pytest.approx(pages.TIMEOUT_S)
    assert Dead.made == Dead.closed == 4


def test_the_next_address_of_a_name_is_tried_where_nobody_is_at_the_first(answering, monkeypatch):
    where, _ = answering(OK + json.dumps({"cameras": {}}).encode())
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # and does not listen
        monkeypatch.setattr(pages.socket, "getaddrinfo", resolved(nobody.getsockname()[1], 0))
        assert pages.status(where) == {"cameras": {}}


def test_who_hangs_up_is_nobody(answering):
    where, _ = answering(b"")
    with pytest.raises(ClientError, match=r"nobody answers at .*: it hangs up without a word"):
        pages.status(where)


@pytest.mark.parametrize("where", ["", "127.0.0.1", "a b:1", "h:http", "h:99999", "[::1:1", "/tmp", "viewer:pass@h/:1"])
def test_what_is_no_address_is_told_so(where):
    with pytest.raises(ClientError, match="is no address; write ADDRESS:PORT"):
        pages.status(where)


def test_a_name_that_nobody_has_is_nobody():
    with pytest.raises(ClientError, match="nobody answers at "):
        pages.status(f"{'ü' * 70}:1")
