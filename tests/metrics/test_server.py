import contextlib
import errno
import json
import socket
import threading

import pytest

from streamd.errors import PublishError
from streamd.metrics import MetricsServer
from streamd.metrics.server import MAX_CONNECTIONS


@pytest.fixture
def server(metrics):
    server = MetricsServer("127.0.0.1:0", metrics, request_s=0.2)
    yield server
    server.close()


@pytest.fixture
def running(server):
    """The server, in a thread."""
    stop = threading.Event()
    thread = threading.Thread(target=lambda: list(server.serve(stop)))
    thread.start()
    yield server
    stop.set()
    thread.join(10)
    assert not thread.is_alive()


def ask(server, data):
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(data)
        return b"".join(iter(lambda: connection.recv(65536), b""))


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (b"GET /metrics HTTP/1.1\r\n\r\n", 200),
        (b"GET /livez HTTP/1.0\r\n\r\n", 200),
        (b"GET /livez?verbose HTTP/1.1\r\n\r\n", 200),
        (b"GET /readyz HTTP/1.1\r\n\r\n", 503),
        (b"GET / HTTP/1.1\r\n\r\n", 404),
        (b"POST /status HTTP/1.1\r\n\r\n", 405),
        (b"\x16\x03\x01\r\n\r\n", 400),
        (b"GET /livez\r\n\r\n", 400),
    ],
)
def test_each_request_has_its_code(server, request_, code):
    assert server.answer(request_)[0] == code


def test_the_status_is_json(server):
    assert json.loads(server.answer(b"GET /status HTTP/1.1\r\n\r\n")[2])["live"] is True


def test_a_page_goes_over_the_wire(running):
    head, _, body = ask(running, b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n").partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert body == b"ok\n"


def test_head_has_no_body(running):
    assert ask(running, b"HEAD /livez HTTP/1.1\r\n\r\n").endswith(b"\r\n\r\n")


def test_a_client_that_says_nothing_holds_nobody_for_long(running):
    with socket.create_connection(("127.0.0.1", running.port), timeout=10):
        assert ask(running, b"GET /livez HTTP/1.1\r\n\r\n").startswith(b"HTTP/1.1 200")


@pytest.fixture
def patient(metrics):
    """A server that gives a connection ten minutes, in a thread: nothing here waits for a deadline."""
    server = MetricsServer("127.0.0.1:0", metrics, request_s=600)
    stop = threading.Event()
    thread = threading.Thread(target=lambda: list(server.serve(stop)))
    thread.start()
    yield server
    stop.set()
    thread.join(10)


@pytest.mark.parametrize("said", [b"", b"GET /livez HTT"])
def test_connections_that_stay_half_open_keep_nobody_waiting(patient, said):
    with contextlib.ExitStack() as stack:
        for _ in range(3 * MAX_CONNECTIONS):
            half = stack.enter_context(socket.create_connection(("127.0.0.1", patient.port), timeout=10))
            half.sendall(said)
        assert ask(patient, b"GET /livez HTTP/1.1\r\n\r\n").startswith(b"HTTP/1.1 200")


def test_a_request_may_come_in_pieces(patient):
    with socket.create_connection(("127.0.0.1", patient.port), timeout=10) as connection:
        for piece in (b"GET /liv", b"ez HTTP/1.1\r", b"\n\r", b"\n"):
            connection.sendall(piece)
            assert ask(patient, b"GET /readyz HTTP/1.1\r\n\r\n").startswith(b"HTTP/1.1 503")
        assert connection.recv(15) == b"HTTP/1.1 200 OK"


def test_a_page_larger_than_the_socket_s_buffer_goes_over_whole(patient, monkeypatch):
    page = bytes(range(256)) * 40_000
    monkeypatch.setattr(patient, "_page", lambda _: (200, "application/octet-stream", page))
    assert ask(patient, b"GET /status HTTP/1.1\r\n\r\n").endswith(b"\r\n\r\n" + page)


def test_running_out_of_file_descriptors_leaves_the_server_running(metrics, monkeypatch):
    server = MetricsServer("127.0.0.1:0", metrics)
    stop = NextWait()
    monkeypatch.setattr(server, "_socket", Exhausted(server._socket))
    with socket.create_connection(("127.0.0.1", server.port), timeout=10):
        list(server.serve(stop))
    assert stop.is_set()


class NextWait(threading.Event):
    """A stop signal that is given by the first wait for it."""

    def wait(self, timeout=None):
        self.set()
        return True


class Exhausted:
    """A listening socket of a process that has no file descriptor left."""

    def __init__(self, bound):
        self.close = bound.close
        self.fileno = bound.fileno
        self.getsockname = bound.getsockname

    def accept(self):
        raise OSError(errno.EMFILE, "Too many open files")


@pytest.mark.parametrize("garbage", [b"x" * 20_000, b"\n\n", b""])
def test_garbage_leaves_the_server_running(running, garbage):
    with socket.create_connection(("127.0.0.1", running.port), timeout=10) as connection:
        connection.sendall(garbage)
    assert ask(running, b"GET /livez HTTP/1.1\r\n\r\n").startswith(b"HTTP/1.1 200")


def test_a_port_in_use_names_it_and_the_mend(server, metrics):
    with pytest.raises(PublishError, match=rf"127\.0\.0\.1:{server.port} cannot be bound: .*; write another"):
        MetricsServer(f"127.0.0.1:{server.port}", metrics)


@pytest.mark.parametrize("bind", ["256.0.0.1:1", "127.0.0.1:99999", "127.0.0.1:x", "nonsense"])
def test_what_is_no_address_is_refused(bind, metrics):
    with pytest.raises(PublishError, match="cannot be bound"):
        MetricsServer(bind, metrics)


@pytest.mark.parametrize(
    ("header", "code"),
    [
        (b"Authorization: Bearer letmein", 200),
        (b"authorization:bearer  letmein ", 200),
        (b"Authorization: Bearer letmei", 401),
        (b"Authorization: Bearer letmein2", 401),
        (b"Authorization: Basic letmein", 401),
        (b"X: Authorization: Bearer letmein", 401),
        (b"Host: x", 401),
    ],
)
@pytest.mark.parametrize("page", [b"metrics", b"livez", b"status", b"nothing"])
def test_with_a_token_every_page_wants_it(metrics, header, code, page):
    server = MetricsServer("127.0.0.1:0", metrics, token="letmein")
    found = server.answer(b"GET /%s HTTP/1.1\r\n%s\r\n\r\n" % (page, header))[0]
    assert found == (404 if code == 200 and page == b"nothing" else code)
    server.close()
