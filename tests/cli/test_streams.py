"""Standard streams that are full or closed: one line at most, never a traceback."""

import subprocess
import sys

import pytest

COMMAND = f"{sys.executable} -m streamd"


def shell(line):
    done = subprocess.run(["/bin/sh", "-c", line], capture_output=True, text=True, timeout=30, check=False)
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
    return done


def test_output_to_a_full_disk_is_told_in_one_line():
    done = shell(f"{COMMAND} schema config > /dev/full")
    assert done.returncode == 1
    assert done.stderr == "streamd: cannot write the output: No space left on device; make room\n"


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_stream_that_is_closed_is_no_fault(closed):
    assert shell(f"{COMMAND} schema config {closed}").returncode == 0


def test_a_closed_stream_leaves_its_number_to_nobody():
    imports = "import os, sys; from streamd import cli"
    probe = f"{imports}; cli.open_standard_streams(); print(os.open('/', 0) > 2, file=sys.stderr)"
    assert shell(f'{sys.executable} -c "{probe}" <&- >&-').stderr == "True\n"
