"""What a service manager is told of the daemon's life, and what the process exits with."""

import signal
import socket

import pytest


@pytest.fixture
def model(tmp_path, write_model):
    return {"path": str(write_model(tmp_path / "nothing.onnx"))}


@pytest.fixture
def clip(tmp_path, write_clip):
    return {"uri": str(write_clip(tmp_path / "clip.mp4", 25))}


@pytest.fixture
def manager(tmp_path):
    """A service manager's socket; returns, one by one, what it is told."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind(str(tmp_path / "notify"))
        heard.settimeout(30)

        def told(word):
            """Wait until a state is told that begins with `word`; return all of its lines."""
            while True:
                lines = heard.recv(4096).decode().splitlines()
                if any(line.startswith(word) for line in lines):
                    return lines

        yield told


def test_systemd_is_told_of_each_stretch_of_the_daemon_s_life(house, model, clip, manager, tmp_path):
    config = house.config({"a": {**clip, "loop": True}}, model)
    daemon = house.start("serve", config, NOTIFY_SOCKET=str(tmp_path / "notify"), WATCHDOG_USEC="60000000")
    assert "STATUS=0 of 1 cameras online, 0 fps" in manager("READY=1")
    manager("WATCHDOG=1")
    manager("STATUS=1 of 1 cameras online, ")
    config.write_text("cameras: [")
    daemon.send_signal(signal.SIGHUP)
    manager("RELOADING=1")
    assert any("reload refused" in line for line in manager("READY=1"))
    _, log = house.end(daemon, signal.SIGTERM)
    manager("STOPPING=1")
    assert daemon.returncode == 0, log


def test_no_time_to_drain_still_ends_cleanly(house, model, clip, manager, tmp_path):
    config = house.config({name: {**clip, "loop": True, "pace": "asap"} for name in "abc"}, model, drain_timeout="0s")
    daemon = house.start("serve", config, NOTIFY_SOCKET=str(tmp_path / "notify"))
    manager("READY=1")
    _, log = house.end(daemon, signal.SIGTERM, timeout=10)
    assert daemon.returncode == 0, log


def test_whoever_aborts_it_finds_in_the_log_where_every_thread_was(house, model, clip, manager, tmp_path):
    """As the watchdog of systemd does with one that is wedged."""
    daemon = house.start(
        "serve", house.config({"a": {**clip, "loop": True}}, model), NOTIFY_SOCKET=str(tmp_path / "notify")
    )
    manager("STATUS=1 of 1 cameras online, ")
    _, log = house.end(daemon, signal.SIGABRT)
    assert daemon.returncode == -signal.SIGABRT
    assert "Fatal Python error: Aborted" in log
    assert '/streamd/serve.py", line ' in log and '/streamd/flow/stage.py", line ' in log


def test_files_that_have_ended_end_the_daemon(house, model, clip):
    config = house.config({"a": {**clip, "pace": "asap"}, "b": clip}, model)
    code, _, log = house.run("serve", config)
    assert code == 0, log
