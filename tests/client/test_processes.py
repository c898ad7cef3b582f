import pytest

from streamd.client.processes import environment, is_daemon, serving


@pytest.fixture
def proc(tmp_path):
    """A /proc of our own; returns it and what makes a process."""
    folder = tmp_path / "proc"
    folder.mkdir()
    (folder / "version").write_text("x")

    def process(number, *arguments, cwd=tmp_path):
        (folder / str(number)).mkdir()
        (folder / str(number) / "cmdline").write_bytes(b"\0".join(each.encode() for each in arguments) + b"\0")
        (folder / str(number) / "cwd").symlink_to(cwd)

    return folder, process


def test_a_daemon_is_found_by_its_file(proc, tmp_path):
    folder, process = proc
    (tmp_path / "cams.yaml").write_text("")
    (tmp_path / "other.yaml").write_text("")
    process(10, "/opt/python", "/opt/bin/streamd", "serve", "cams.yaml")
    process(11, "python", "-m", "streamd", "serve", "--wait-for", "video", str(tmp_path / "cams.yaml"))
    process(12, "python", "/opt/bin/streamd", "serve", "other.yaml")
    process(13, "vi", "cams.yaml")
    process(14, "python", "/opt/bin/streamd", "reload", "cams.yaml")
    process(15, "python", "/opt/bin/streamd", "serve", "cams.yaml", cwd=tmp_path / "proc")
    process(16)
    assert serving(tmp_path / "cams.yaml", folder) == [10, 11]
    assert serving(tmp_path / "missing.yaml", folder) == []


def test_a_daemon_is_told_from_what_else_may_have_its_number(proc):
    folder, process = proc
    process(10, "/opt/python", "/opt/bin/streamd", "serve", "cams.yaml")
    process(11, "/opt/python", "/opt/bin/streamd", "status")
    process(12, "nginx", "serve")
    assert [each for each in range(9, 13) if is_daemon(each, folder)] == [10]


def test_what_a_process_was_started_with(proc):
    folder, process = proc
    process(10, "streamd", "serve")
    (folder / "10/environ").write_bytes(b"A=1\0B==2\0\xff=\xff\0odd\0")
    assert environment(10, folder) == {"A": "1", "B": "=2", "\udcff": "\udcff"}
    assert environment(11, folder) is None


@pytest.mark.parametrize("first", ["/sbin/docker-init --", "tini --", "timeout 60", "sudo", "/usr/bin/strace -f"])
def test_what_started_a_daemon_is_none(proc, tmp_path, first):
    """A container has it as process 1; its command line goes on with that of the daemon."""
    folder, process = proc
    (tmp_path / "cams.yaml").write_text("")
    process(1, *first.split(), "streamd", "serve", "cams.yaml")
    process(7, "/opt/bin/python3.11", "/opt/bin/streamd", "serve", "cams.yaml")
    assert serving(tmp_path / "cams.yaml", folder) == [7]
    assert not is_daemon(1, folder)
