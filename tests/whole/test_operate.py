"""What an operator does to a running daemon: looks, reloads, and finds that it is stuck."""

import json
import os
import pty
import signal
import socket
import subprocess
import sys

import pytest
import yaml


@pytest.fixture
def port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


@pytest.fixture
def daemon(house, tmp_path, write_model, write_clip, port):
    """A daemon that serves pages, and its configuration."""
    (tmp_path / "token").write_text("let-me-in")
    (tmp_path / "token").chmod(0o600)
    config = house.config(
        {"a": {"uri": str(write_clip(tmp_path / "clip.mp4", 25)), "loop": True}},
        {"path": str(write_model(tmp_path / "nothing.onnx"))},
        metrics={"bind": f"127.0.0.1:{port}", "token_file": "token"},
    )
    process = house.start("serve", config)
    while '"online"' not in house.printed(process)[1]:
        assert process.poll() is None, house.printed(process)[1]
    return process, config


def test_status_is_a_table_or_json_for_whom_has_the_token(house, daemon, port):
    _, config = daemon
    code, out, err = house.run("status", config)
    assert code == 0, err
    assert "online" in out and "\x1b" not in out
    code, out, err = house.run("status", f"127.0.0.1:{port}", "--json", "--token-file", "token")
    assert json.loads(out)["cameras"]["a"]["state"] == "online", err
    code, _, err = house.run("status", f"127.0.0.1:{port}")
    assert (code, err) == (1, f"streamd: 127.0.0.1:{port} answers 401 Unauthorized; give --token-file FILE\n")


def test_on_a_terminal_status_is_drawn_over_and_over_and_the_screen_given_back(daemon):
    _, config = daemon
    ours, theirs = pty.openpty()
    watcher = subprocess.Popen([sys.executable, "-m", "streamd", "status", str(config)], stdout=theirs, stdin=theirs)
    os.close(theirs)
    drawn = b""
    try:
        while drawn.count(b"CAMERA") < 2:
            drawn += os.read(ours, 65536)
        watcher.send_signal(signal.SIGINT)
        while not drawn.endswith(b"\x1b[?1049l"):
            drawn += os.read(ours, 65536)
        assert watcher.wait(30) == 0
    finally:
        watcher.kill()
        watcher.wait()
        os.close(ours)
    assert drawn.startswith(b"\x1b[?1049h")
    assert b"\x1b[32monline" in drawn


def test_status_of_nobody_is_one_line(house, port):
    code, _, err = house.run("status", f"127.0.0.1:{port}")
    assert code == 1
    assert err.startswith(f"streamd: nobody answers at 127.0.0.1:{port}: ") and err.count("\n") == 1


def test_reload_says_how_it_went(house, daemon):
    process, config = daemon
    tree = yaml.safe_load(config.read_text())
    tree["models"]["model"]["confidence"] = 0.5
    config.write_text(yaml.safe_dump(tree))
    code, out, err = house.run("reload", config)
    assert (code, out) == (0, "reloaded: configuration 2 is in force\n"), err
    tree["models"]["model"]["path"] = str(config)
    bad = yaml.safe_dump(tree)
    config.write_text(bad)
    code, _, err = house.run("reload", config)
    assert code == 1
    assert "ends in neither of .onnx and .engine" in err
    while "reload refused" not in house.printed(process)[1]:
        assert process.poll() is None
    (config.parent / "broken.onnx").write_bytes(b"no model")
    tree["models"]["model"]["path"] = "broken.onnx"
    config.write_text(yaml.safe_dump(tree))
    code, _, err = house.run("reload", "--pid", process.pid, config)
    assert code == 1
    assert err.startswith("streamd: refused, the old configuration stays: ")
    house.end(process, signal.SIGTERM)
    assert process.returncode == 0


def test_who_reloads_need_not_have_the_daemon_s_variables(house, daemon):
    process, config = daemon
    config.write_text(config.read_text().replace("loop: true", "loop: true\n    every: ${EVERY}"))
    code, _, err = house.run("reload", config)
    assert code == 1 and err.startswith("streamd: refused, the old configuration stays: ") and "EVERY" in err
    house.end(process, signal.SIGTERM)
    tree = yaml.safe_load(config.read_text())
    tree["metrics"]["token_file"] = "${TOKEN}"
    config.write_text(yaml.safe_dump(tree))
    process = house.start("serve", config, EVERY="2", TOKEN="token")
    while '"online"' not in house.printed(process)[1]:
        assert process.poll() is None, house.printed(process)[1]
    assert house.run("reload", config)[:2] == (0, "reloaded: configuration 2 is in force\n")


def test_what_is_no_daemon_is_told_nothing(house, daemon):
    bystander = house.spawn(["sleep", "60"], os.environ)
    code, _, err = house.run("reload", "--pid", bystander.pid, daemon[1])
    assert (code, bystander.poll()) == (1, None)
    assert err.startswith(f"streamd: process {bystander.pid} is no `streamd serve`; ")


def test_reload_of_nobody_is_one_line(house, tmp_path):
    (tmp_path / "cams.yaml").write_text("")
    code, _, err = house.run("reload", tmp_path / "cams.yaml")
    assert (code, err) == (1, f"streamd: no daemons run {tmp_path / 'cams.yaml'}; name one with --pid\n")
    code, _, err = house.run("reload", tmp_path / "gone.yaml")
    assert (code, err.partition(";")[0]) == (1, f"streamd: {tmp_path / 'gone.yaml'}: no such file")


STUCK = """
import os, sys, threading
from pathlib import Path
from streamd import infer
from streamd.cli import main

load = infer.load

def loaded(path, **options):
    backend = load(path, **options)
    run = backend.run

    def stuck(slot, rows):
        if Path("wedge").exists():
            threading.Event().wait()
        run(slot, rows)

    backend.run = stuck
    return backend

infer.load = loaded
main(["serve", "cams.yaml"])
"""


@pytest.mark.timeout(60)
def test_a_run_that_never_ends_stops_the_watchdog_s_pings(house, tmp_path, write_model, write_clip):
    """As a wedged GPU has it: one thread is held inside of the library, all others are well."""
    house.config(
        {"a": {"uri": str(write_clip(tmp_path / "clip.mp4", 25)), "loop": True}},
        {"path": str(write_model(tmp_path / "nothing.onnx"))},
        drain_timeout="0s",
    )
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind(str(tmp_path / "notify"))
        heard.settimeout(20)
        (tmp_path / "stuck.py").write_text(STUCK)
        environment = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "1000000"}
        process = house.spawn([sys.executable, "stuck.py"], {**os.environ, **environment})
        while b"1 of 1 cameras online" not in heard.recv(4096):
            pass
        while heard.recv(4096) != b"WATCHDOG=1":
            pass
        (tmp_path / "wedge").touch()
        heard.settimeout(4)
        with pytest.raises(TimeoutError):
            while True:  # those that were under way
                said = heard.recv(4096)
                while not said.startswith(b"WATCHDOG"):
                    said = heard.recv(4096)
        assert process.poll() is None
