"""What `streamd reload` waits for, and what it makes of it."""

import errno
import os
import subprocess

import pytest

from streamd.cli import reload
from streamd.errors import ClientError

BEFORE = {"accepted": 1, "refused": 1, "generation": 2, "refused_because": "old"}


@pytest.fixture
def process():
    """A process that dies of the signal, and is a daemon by its command line."""
    waits = ["streamd", "-c", "read line", "serve"]
    with subprocess.Popen(waits, executable="/bin/sh", stdin=subprocess.PIPE) as made:
        yield made
        made.kill()


def forbidden(number):
    def pidfd_open(pid):
        raise OSError(number, "no")

    return pidfd_open


@pytest.fixture(params=["handles", "an old kernel", "a container that forbids them", "a Python without"], autouse=True)
def handles(request, monkeypatch):
    """What Linux and Python have of handles of processes."""
    if request.param == "a Python without":
        monkeypatch.delattr(os, "pidfd_open")
    elif request.param != "handles":
        number = errno.ENOSYS if request.param == "an old kernel" else errno.EPERM
        monkeypatch.setattr(os, "pidfd_open", forbidden(number))


@pytest.fixture
def wait(process, monkeypatch):
    """Tells the process, and waits while its status page says this."""

    def wait(page, wait_s=60.0):
        monkeypatch.setattr(reload, "_config", lambda found, pid: page)
        with reload._told(process.pid) as handle:
            reload._await(None, BEFORE, process.pid, handle, wait_s)

    return wait


def test_a_daemon_that_ends_is_not_waited_for(wait):
    with pytest.raises(ClientError, match="has ended; look at its log"):
        wait(BEFORE)


def test_a_configuration_that_is_in_force_is_told_by_its_number(wait, capsys):
    wait({**BEFORE, "accepted": 2, "generation": 3})
    assert capsys.readouterr().out == "reloaded: configuration 3 is in force\n"


def test_a_refusal_is_told_with_its_reason(wait):
    with pytest.raises(ClientError, match="refused, the old configuration stays: new"):
        wait({**BEFORE, "refused": 2, "refused_because": "new"})


def test_a_daemon_that_says_nothing_is_waited_for_no_longer_than_asked(wait):
    with pytest.raises(ClientError, match="has not said within 0 s how it went"):
        wait(BEFORE, wait_s=0)


def test_a_process_that_is_gone_cannot_be_told(process):
    process.kill()
    process.wait()
    with pytest.raises(ClientError, match=f"cannot find process {process.pid}"), reload._told(process.pid):
        raise AssertionError("it is gone")
