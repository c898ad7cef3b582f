"""What the operating system tells: CPU, clocks, limits. Nothing here can hang, so the doctor looks by itself."""

import ctypes
import math
import os
import platform
import resource
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from streamd.checkup import Missing, Probe
from streamd.errors import StreamdError

# x86 and ARM instructions that sum products of int8, as /proc/cpuinfo calls them, best first
INT8 = {
    "amx_int8": "AMX", "avx512_vnni": "AVX-512 VNNI", "avx_vnni": "AVX VNNI", "i8mm": "I8MM", "asimddp": "dot product",
}  # fmt: skip

OLDEST_PYTHON = (3, 11)
COARSEST_S = 1e-3  # of the monotonic clock; frames are paced in steps of a few milliseconds
SHM_BYTES = 64 * 2**20  # what a container has unless told otherwise
FILES, FILES_A_CAMERA = 128, 16  # 17 and 1 (a file) measured; RTSP over UDP, readers and a GPU have more

TIMEX_BYTES, TIMEX_MAXERROR, TIMEX_STATUS = 208, 24, 40  # struct timex of 64-bit Linux, adjtimex(2)
STA_UNSYNC = 0x40


def probes(cameras: int) -> Iterator[Probe]:
    """Yield the looks; `cameras` is how many there are to be."""
    yield Probe("Python", python, "install Python 3.11, 3.12 or 3.13")
    yield Probe("CPU", cpu)
    yield Probe("CPU INT8", int8, "INT8 gains little on this CPU: prefer the float model there")
    yield Probe("clock", synchronised, "systemctl enable --now systemd-timesyncd, or install chrony")
    yield Probe("monotonic clock", monotonic, "boot with clocksource=tsc")
    yield Probe("/dev/shm", shared_memory, "mount -t tmpfs tmpfs /dev/shm; start a container with --shm-size=1g")
    yield Probe("open files", partial(open_files, cameras), "ulimit -n 65536; LimitNOFILE=65536 in a unit")
    yield Probe("systemd", systemd)


def python() -> str:
    """Return Python's version."""
    if sys.version_info < OLDEST_PYTHON:
        raise StreamdError(f"{platform.python_version()} is too old")
    return platform.python_version()


def cpu() -> str:
    """Return how many cores this process may use, and what they are."""
    cores = len(os.sched_getaffinity(0))
    said = f"{cores} core{'s' * (cores != 1)}"
    if (share := _share()) < cores:
        said += f" (their control group grants the time of {share:g})"
    model = _cpuinfo("model name")
    return f"{said}, {model}" if model else said


def int8() -> str:
    """Return the instructions for INT8 that ONNX Runtime can use; Missing where there are none."""
    flags = (_cpuinfo("flags") or _cpuinfo("Features")).split()
    found = [name for flag, name in INT8.items() if flag in flags]
    if not found:
        raise Missing("no VNNI or the like")
    return ", ".join(found)


def synchronised() -> str:
    """Return how far the clock may be off; Missing where nobody sets it by the network."""
    try:
        maximum_s = kernel_clock()
    except PermissionError as error:
        raise Missing("this container may not ask the kernel", mend="see `timedatectl` outside of it") from error
    if maximum_s is None:
        raise Missing("not synchronised: stamps of this machine cannot be held against others'")
    return f"synchronised, off by {maximum_s * 1e3:.1f} ms at most"


def kernel_clock() -> float | None:
    """Return by how much the kernel takes its clock to be off at most, in seconds; None where nobody sets it."""
    libc = ctypes.CDLL(None, use_errno=True)
    state = (ctypes.c_byte * TIMEX_BYTES)()
    if libc.adjtimex(state) < 0:
        raise OSError(ctypes.get_errno(), f"adjtimex: {os.strerror(ctypes.get_errno())}")
    status = ctypes.c_int.from_buffer(state, TIMEX_STATUS).value
    return None if status & STA_UNSYNC else ctypes.c_long.from_buffer(state, TIMEX_MAXERROR).value / 1e6


def monotonic() -> str:
    """Return the resolution of the monotonic clock, and where the kernel takes it from."""
    resolution_s = time.get_clock_info("monotonic").resolution
    source = _read("/sys/devices/system/clocksource/clocksource0/current_clocksource").strip()
    said = f"steps of {resolution_s * 1e9:g} ns{f', from {source}' if source else ''}"
    if resolution_s > COARSEST_S:
        raise StreamdError(said)
    return said


def shared_memory(path: str = "/dev/shm") -> str:
    """Return the size of the shared memory."""
    if not Path(path).is_dir():
        raise Missing(f"there is no {path}")
    held = os.statvfs(path)
    size, free = held.f_frsize * held.f_blocks, held.f_frsize * held.f_bavail
    said = f"{size / 2**30:.1f} GiB, {free / 2**30:.1f} free"
    if free < SHM_BYTES:
        raise StreamdError(said)
    return said


def open_files(cameras: int) -> str:
    """Return the limit on open files."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = FILES + FILES_A_CAMERA * cameras
    if soft != resource.RLIM_INFINITY and soft < needed:
        raise StreamdError(f"{soft} at most, {cameras} cameras may need {needed}")
    return "no limit" if soft == resource.RLIM_INFINITY else f"{soft} at most"


def systemd() -> str:
    """Tell that the machine was booted with systemd, as sd_booted(3) does; Missing where it was not."""
    if not Path("/run/systemd/system").is_dir():
        raise Missing("the machine was not booted with it; `streamd serve` runs without")
    return "booted with it"


def _share() -> float:
    """Return how many cores' time the control group grants (cgroup v2, cpu.max); infinite where it sets no bound."""
    quota, _, period = _read("/sys/fs/cgroup/cpu.max").partition(" ")
    return int(quota) / int(period) if quota.isdigit() else math.inf


def _cpuinfo(key: str) -> str:
    """Return what the first core says under a key of /proc/cpuinfo; empty where it says nothing."""
    for line in _read("/proc/cpuinfo").splitlines():
        name, _, value = line.partition(":")
        if name.strip() == key:
            return value.strip()
    return ""


def _read(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""
