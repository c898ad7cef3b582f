import os
import signal
import subprocess
import sys

import pytest

from streamd import output
from streamd.errors import DataError


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_written_and_nothing_else_is_left(tmp_path):
    output.write(tmp_path / "a", b"new")
    assert (names(tmp_path), (tmp_path / "a").read_bytes()) == (["a"], b"new")


def test_the_old_file_stands_until_the_new_one_is_whole(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"old")
    with output.whole(path) as part:
        part.write_bytes(b"half")
        assert path.read_bytes() == b"old"
        assert part.parent == tmp_path
    assert path.read_bytes() == b"half"


@pytest.mark.parametrize("fault", [KeyboardInterrupt, OSError, SystemExit])
def test_what_fails_leaves_the_old_file_and_no_other(tmp_path, fault):
    path = tmp_path / "a"
    path.write_bytes(b"old")

    with pytest.raises(fault), output.whole(path) as part:
        part.write_bytes(b"half")
        raise fault
    assert (names(tmp_path), path.read_bytes()) == (["a"], b"old")


def test_a_full_disk_leaves_nothing(tmp_path):
    resource = pytest.importorskip("resource")
    code = (
        "import resource, signal, sys; from pathlib import Path; from streamd import output\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, (1000, {resource.RLIM_INFINITY}))\n"
        "try: output.write(Path(sys.argv[1]), bytes(5000))\n"
        "except OSError as error: print(error.strerror)"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path / "a"], capture_output=True, text=True, check=True)
    assert (done.stdout, names(tmp_path)) == ("File too large\n", [])


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "a").write_bytes(b"old")
    (tmp_path / "link").symlink_to(tmp_path / "real" / "a")
    output.write(tmp_path / "link", b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real" / "a").read_bytes() == b"new"


def test_a_long_name_needs_no_longer_one(tmp_path):
    path = tmp_path / ("x" * 255)
    output.check_file(path)
    output.write(path, b"1")
    assert path.read_bytes() == b"1"


@pytest.mark.parametrize(("there", "filled"), [(True, False), (False, True), (False, False)])
def test_a_folder_that_was_made_in_vain_goes_again(tmp_path, there, filled):
    path = tmp_path / "new"
    if there:
        path.mkdir()
    with pytest.raises(KeyboardInterrupt), output.folder(path):
        if filled:
            (path / "a").touch()
        raise KeyboardInterrupt
    assert path.exists() == (there or filled)


def test_the_folders_above_one_that_was_made_in_vain_go_with_it(tmp_path):
    with pytest.raises(KeyboardInterrupt), output.folder(tmp_path / "a/b/c"):
        raise KeyboardInterrupt
    with pytest.raises(OSError, match="too long"), output.folder(tmp_path / "a/b" / ("x" * 300)):
        raise AssertionError("it cannot be made")
    assert names(tmp_path) == []


def test_a_check_leaves_nothing(tmp_path):
    output.check_file(tmp_path / "a")
    output.check_folder(tmp_path / "b" / "c")
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("folder", "--out .*folder: is a folder; name a file in it"),
        ("pipe", "is a pipe or a device; name a regular file"),
        ("missing/a", "there is no folder .*missing; make it"),
        ("file/a", "there is no folder"),
        ("x" * 300, "cannot be written: File name too long"),
        ("a\0b", "cannot be written: .*null"),
    ],
)
def test_files_that_cannot_be_written(tmp_path, name, message):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DataError, match=message):
        output.check_file(tmp_path / name, option="--out")


@pytest.mark.parametrize("name", ["file", "file/deep", "broken/deep", "x" * 300])
def test_folders_that_cannot_be_made(tmp_path, name):
    (tmp_path / "file").touch()
    (tmp_path / "broken").symlink_to(tmp_path / "nowhere")
    with pytest.raises(DataError, match=r"--out .*: (.* is no folder|cannot be written: File name too long); name an"):
        output.check_folder(tmp_path / name, option="--out")


@pytest.mark.parametrize(("folder", "name"), [("new", "x" * 300), (".", "x" * 300), (".", "folder")])
def test_names_that_cannot_stand_in_a_folder(tmp_path, folder, name):
    (tmp_path / "folder").mkdir()
    with pytest.raises(DataError, match=r"File name too long|is a folder"):
        output.check_folder(tmp_path / folder, [name])


@pytest.mark.skipif(not os.path.ismount("/proc"), reason="needs /proc, a folder where no file can be made")
def test_a_folder_where_nothing_can_be_made():
    with pytest.raises(DataError, match="cannot be written"):
        output.check_folder(output.Path("/proc"))
    with pytest.raises(DataError, match="cannot be written"):
        output.check_file(output.Path("/proc/a"))


def test_a_signal_unwinds_what_is_open(tmp_path):
    code = (
        "import os, signal, sys; from pathlib import Path; from streamd import output\n"
        "output.tidy_when_told_to_end()\n"
        "with output.whole(Path(sys.argv[1])) as part:\n"
        "    part.touch(); os.kill(os.getpid(), signal.SIGTERM); signal.pause()"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path / "a"], check=False, timeout=30)
    assert (done.returncode, names(tmp_path)) == (128 + signal.SIGTERM, [])


def test_a_signal_that_is_ignored_stays_ignored():
    code = (
        "import signal; from streamd import output; signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
        "output.tidy_when_told_to_end(); print(signal.getsignal(signal.SIGHUP) is signal.SIG_IGN)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "True\n"
