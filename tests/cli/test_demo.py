"""What the demo says in the end; the daemon and the commands that it starts have tests of their own."""

import pytest
from click.testing import CliRunner

from streamd.cli import demo


class Process:
    """A command that ends at once, with `returncode`."""

    def __init__(self, returncode):
        self.returncode = returncode

    def wait(self, _timeout=None):
        return self.returncode

    def poll(self):
        return self.returncode


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run the demo over processes that only leave a file each."""

    def run(*written, code=0):
        def start(_stack, name, *_arguments):
            for file in written if name == "record" else ():
                (tmp_path / file).touch()
            return Process(code if name == "serve" else 0)

        monkeypatch.setattr(demo, "start", start)
        return CliRunner().invoke(demo.command, ["--out", str(tmp_path)])

    return run


def test_the_newest_recording_is_named(run):
    result = run("street-20260101T000000Z.mp4", "street-20260101T000100Z.mp4")
    assert result.exit_code == 0
    assert result.output.endswith("street-20260101T000100Z.mp4\n")


def test_a_recording_of_an_earlier_run_is_not_taken_for_one(run):
    assert run("street-20260101T000000Z.mp4").exit_code == 0
    result = run()
    assert result.exit_code == 1
    assert "nothing was recorded" in result.output


def test_a_daemon_that_fails_is_told(run):
    result = run("street-20260101T000000Z.mp4", code=1)
    assert result.exit_code == 1
    assert "exit code 1" in result.output
