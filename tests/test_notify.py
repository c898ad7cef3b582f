import socket

import pytest

from streamd.notify import Notifier


@pytest.fixture
def manager(tmp_path):
    """A service manager's socket, and where it is."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind(str(tmp_path / "notify"))
        heard.settimeout(10)
        yield heard, str(tmp_path / "notify")


def test_states_are_sent_as_lines_of_one_datagram(manager):
    heard, address = manager
    notify = Notifier({"NOTIFY_SOCKET": address})
    notify(READY="1", STATUS="4 cameras")
    notify.close()
    assert heard.recv(4096) == b"READY=1\nSTATUS=4 cameras"


def test_an_at_sign_names_an_abstract_socket(tmp_path):
    name = f"streamd-test-{tmp_path.name}-{id(tmp_path)}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind(f"\0{name}")
        heard.settimeout(10)
        notify = Notifier({"NOTIFY_SOCKET": f"@{name}"})
        notify(WATCHDOG="1")
        notify.close()
        assert heard.recv(4096) == b"WATCHDOG=1"


def test_without_a_manager_nothing_is_sent():
    notify = Notifier({})
    notify(READY="1")
    assert notify.watchdog_s == 0


@pytest.mark.parametrize("address", ["/nowhere/notify", "/etc/passwd", f"/{'x' * 200}"])
def test_a_manager_that_cannot_be_reached_is_not_missed(address):
    notify = Notifier({"NOTIFY_SOCKET": address})
    notify(READY="1")
    notify(WATCHDOG="1")


def test_a_manager_that_does_not_read_keeps_nobody_and_is_told_again_when_it_does(manager):
    heard, address = manager
    heard.setblocking(False)
    full = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    full.setblocking(False)
    with full, pytest.raises(BlockingIOError):
        while True:
            full.sendto(b"x", address)
    notify = Notifier({"NOTIFY_SOCKET": address})
    notify(WATCHDOG="1")
    with pytest.raises(BlockingIOError):
        while True:
            assert heard.recv(4096) == b"x"
    notify(READY="1")
    assert heard.recv(4096) == b"READY=1"
    notify.close()


def test_the_watchdog_is_told_in_microseconds():
    assert Notifier({"WATCHDOG_USEC": "60000000"}).watchdog_s == 60
