import ctypes
import errno
import math
import os
import resource
import time
from types import SimpleNamespace

import pytest

from streamd.checkup import Missing
from streamd.doctor import machine
from streamd.errors import StreamdError


@pytest.fixture
def files(monkeypatch):
    """Puts texts in place of files of the machine; the others are empty."""
    return lambda **there: monkeypatch.setattr(machine, "_read", lambda path: there.get(path.split("/")[-1], ""))


def test_every_look_ends_with_a_state():
    assert {probe().state for probe in machine.probes(1)} <= {"ok", "missing"}


def test_the_cores_are_those_that_this_process_may_use(files, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 3})
    files(cpuinfo="processor\t: 0\nmodel name\t: Xeon\nflags\t\t: fpu avx512_vnni\n")
    assert machine.cpu() == "2 cores, Xeon"


def test_a_control_group_that_grants_less_is_told(files, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 3})
    files(**{"cpu.max": "150000 100000\n"})
    assert machine.cpu() == "2 cores (their control group grants the time of 1.5)"


@pytest.mark.parametrize(("text", "share"), [("max 100000\n", math.inf), ("", math.inf), ("50000 100000\n", 0.5)])
def test_the_share_of_a_control_group(files, text, share):
    files(**{"cpu.max": text})
    assert machine._share() == share


@pytest.mark.parametrize(
    ("cpuinfo", "found"),
    [
        ("flags : fpu avx512_vnni amx_int8\n", "AMX, AVX-512 VNNI"),
        ("flags : avx2 avx_vnni\n", "AVX VNNI"),
        ("Features : fp asimd asimddp\n", "dot product"),
    ],
)
def test_the_instructions_for_int8(files, cpuinfo, found):
    files(cpuinfo=cpuinfo)
    assert machine.int8() == found


def test_a_cpu_without_them_is_missing_them(files):
    files(cpuinfo="flags : fpu avx2\n")
    with pytest.raises(Missing, match="no VNNI"):
        machine.int8()


class Libc:
    """A C library whose kernel has this status and maximal error."""

    def __init__(self, status, maximum_us):
        self.status, self.maximum_us = status, maximum_us

    def adjtimex(self, state):
        ctypes.c_int.from_buffer(state, machine.TIMEX_STATUS).value = self.status
        ctypes.c_long.from_buffer(state, machine.TIMEX_MAXERROR).value = self.maximum_us
        return 0


def test_a_clock_that_is_set_by_the_network_tells_its_error(monkeypatch):
    monkeypatch.setattr(machine.ctypes, "CDLL", lambda *_, **__: Libc(0x2001, 12_345))
    assert machine.synchronised() == "synchronised, off by 12.3 ms at most"


def test_a_clock_that_nobody_sets_is_missing_it(monkeypatch):
    monkeypatch.setattr(machine.ctypes, "CDLL", lambda *_, **__: Libc(machine.STA_UNSYNC, 16_000_000))
    with pytest.raises(Missing, match="not synchronised"):
        machine.synchronised()


def test_a_container_that_may_not_ask_says_so(monkeypatch):
    def refuse(state):
        ctypes.set_errno(errno.EPERM)
        return -1

    monkeypatch.setattr(machine.ctypes, "CDLL", lambda *_, **__: SimpleNamespace(adjtimex=refuse))
    with pytest.raises(Missing, match="may not ask"):
        machine.synchronised()


def test_the_kernel_itself_answers():
    error_s = machine.kernel_clock()
    assert error_s is None or 0 <= error_s < 100


def test_a_monotonic_clock_in_coarse_steps_is_broken(files, monkeypatch):
    files(current_clocksource="jiffies\n")
    monkeypatch.setattr(time, "get_clock_info", lambda name: SimpleNamespace(resolution=0.01))
    with pytest.raises(StreamdError, match="steps of 1e\\+07 ns, from jiffies"):
        machine.monotonic()


def test_shared_memory_that_is_not_there_is_missing(tmp_path):
    with pytest.raises(Missing, match="there is no"):
        machine.shared_memory(str(tmp_path / "shm"))


@pytest.mark.parametrize(("blocks", "fits"), [(1 << 20, True), (1 << 10, False)])
def test_shared_memory_that_is_small_is_broken(monkeypatch, tmp_path, blocks, fits):
    monkeypatch.setattr(os, "statvfs", lambda path: SimpleNamespace(f_frsize=4096, f_blocks=1 << 20, f_bavail=blocks))
    if fits:
        assert machine.shared_memory(str(tmp_path)) == "4.0 GiB, 4.0 free"
    else:
        with pytest.raises(StreamdError, match=r"0\.0 free"):
            machine.shared_memory(str(tmp_path))


@pytest.mark.parametrize(("cameras", "fits"), [(8, True), (9, False)])
def test_more_cameras_need_more_files(monkeypatch, cameras, fits):
    monkeypatch.setattr(resource, "getrlimit", lambda which: (machine.FILES + 8 * machine.FILES_A_CAMERA, 4096))
    if fits:
        assert machine.open_files(cameras) == "256 at most"
    else:
        with pytest.raises(StreamdError, match="256 at most, 9 cameras may need 272"):
            machine.open_files(cameras)
