"""Everything that a daemon ever writes, to whomever, holds no password: it is all gathered and searched."""

import base64
import os
import signal
import socket
import sys
import threading
import urllib.request
from pathlib import Path
from urllib.parse import quote

import pytest
import yaml
import zmq

PASSWORDS = {
    "P0": "do.t%per%cent",
    "P1": "at@sign@twice",
    "P2": "sla/sh/es",
    "P3": "co:lon#hash",
    "P4": ".%@/:#?&= all",
    "P5": "p%40ss%2Fencoded",
}
FILED, QUERY, METRICS = "from%a@file/:#", "query-t0ken", "bearer:t%ken@"


QUOTING = """
from urllib.parse import unquote, urlsplit
from streamd.cli import main
from streamd.decode.live import LiveSource

def fail(self, stop):
    url = self._address.target
    raise RuntimeError(f"cannot read {url}: {unquote(urlsplit(url).password or '')} and {urlsplit(url).query}")

LiveSource._open = fail
main(["serve", "cams.yaml"])
"""


def answer(door):
    """An RTSP server that wants a password, and takes none."""
    while True:
        try:
            caller, _ = door.accept()
        except OSError:
            return
        with caller:
            caller.settimeout(5)
            try:
                while request := caller.recv(65536):
                    number = request.lower().partition(b"cseq:")[2].split(b"\r\n")[0].strip()
                    caller.sendall(
                        b'RTSP/1.0 401 Unauthorized\r\nCSeq: %s\r\nWWW-Authenticate: Basic realm="x"\r\n\r\n' % number
                    )
            except OSError:
                continue


@pytest.fixture
def refusing():
    with socket.create_server(("127.0.0.1", 0)) as door:
        thread = threading.Thread(target=answer, args=(door,), daemon=True)
        thread.start()
        yield door.getsockname()[1]
        door.shutdown(socket.SHUT_RDWR)
        thread.join(10)


@pytest.fixture
def port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def forms(secret):
    """The ways in which somebody may write a secret."""
    plain = {secret, quote(secret, safe=""), quote(secret, safe="").lower(), quote(secret), quote(secret, safe="@:")}
    return {form.encode() for form in plain} | {
        base64.b64encode(f"viewer:{secret}".encode()),
        repr(secret)[1:-1].encode(),
    }


def get(port, page):
    request = urllib.request.Request(f"http://127.0.0.1:{port}/{page}", headers={"Authorization": f"Bearer {METRICS}"})
    with urllib.request.urlopen(request, timeout=10) as found:
        return found.read()


@pytest.mark.timeout(90)
@pytest.mark.parametrize("quoting", [False, True], ids=["as it is", "with a library that quotes passwords"])
def test_no_password_is_in_anything_that_the_process_ever_wrote(house, tmp_path, write_model, refusing, port, quoting):
    for name, text in (("file", FILED), ("token", METRICS)):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o600)
    retry = {"reconnect": {"initial": "50ms", "maximum": "200ms"}, "open_timeout": "2s"}
    cameras = {
        **{name.lower(): {"uri": f"rtsp://viewer:${{{name}}}@127.0.0.1:{refusing}/s", **retry} for name in PASSWORDS},
        "filed": {"uri": f"rtsp://viewer@127.0.0.1:{refusing}/s", "password_file": "file", **retry},
        "encoded": {"uri": f"rtsp://viewer:{quote(PASSWORDS['P4'], safe='')}@127.0.0.1:{refusing}/s", **retry},
        "query": {"uri": f"http://127.0.0.1:{refusing}/s?token={QUERY}", **retry},
        "nobody": {"uri": "rtsp://viewer:${P2}@127.0.0.1:1/s", **retry},
        "nowhere": {"uri": "rtsps://viewer:${P3}@host.invalid/s", **retry},
    }
    config = house.config(
        cameras,
        {"path": str(write_model(tmp_path / "nothing.onnx"))},
        metrics={"bind": f"127.0.0.1:{port}", "token_file": "token"},
        log={"level": "debug", "format": "json"},
        drain_timeout="2s",
    )
    tree = yaml.safe_load(config.read_text())
    tree["publish"]["file"] = {"path": "out.jsonl"}
    config.write_text(yaml.safe_dump(tree))
    wrote = []
    with (
        zmq.Context() as context,
        context.socket(zmq.SUB) as events,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager,
    ):
        manager.bind(str(tmp_path / "notify"))
        manager.setblocking(False)
        events.linger = 0
        events.subscribe("")
        events.connect(house.detections)
        environment = {**PASSWORDS, "NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "4000000"}
        (tmp_path / "quoting.py").write_text(QUOTING)
        command = ["quoting.py"] if quoting else ["-m", "streamd", "serve", "cams.yaml"]
        daemon = house.spawn([sys.executable, *command], {**os.environ, **environment})
        heard = set()
        while len(heard) < len(cameras):  # each has failed once
            assert events.poll(30_000), house.printed(daemon)[1]
            topic, body = events.recv_multipart()
            wrote.append(body)
            if b"reconnecting" in body:
                heard.add(topic)
        wrote += [get(port, "status"), get(port, "metrics")]
        wrote += [Path(f"/proc/{daemon.pid}/cmdline").read_bytes(), Path(f"/proc/{daemon.pid}/comm").read_bytes()]
        bad = dict(tree, cameras={**tree["cameras"], "p0": {"uri": f"rtsq://viewer:{PASSWORDS['P1']}@h/", "modle": 1}})
        for broken in (bad, {**tree, "models": {"model": {"path": "broken.onnx"}}}):
            (tmp_path / "broken.onnx").write_bytes(b"no model")
            config.write_text(yaml.safe_dump(broken))
            refused = house.printed(daemon)[1].count("reload refused")
            daemon.send_signal(signal.SIGHUP)
            while house.printed(daemon)[1].count("reload refused") == refused:
                assert daemon.poll() is None
        wrote.append(get(port, "status"))
        while events.poll(0):
            wrote += events.recv_multipart()
        out, log = house.end(daemon, signal.SIGTERM)
        try:
            while True:
                wrote.append(manager.recv(65536))
        except BlockingIOError:
            pass
    wrote += [out.encode(), log.encode(), (tmp_path / "out.jsonl").read_bytes()]
    everything = b"\n".join(wrote)
    assert daemon.returncode == 0, log
    assert all(word in everything for word in ((b"cannot read", b"Traceback") if quoting else (b"denied",)))
    assert all(word in everything for word in (b"reload refused", b"READY=1", b"streamd_reconnects_total"))
    for secret in (*PASSWORDS.values(), FILED, QUERY, METRICS):
        for form in forms(secret):
            assert form not in everything, everything[max(0, everything.index(form) - 300) :][:600]
