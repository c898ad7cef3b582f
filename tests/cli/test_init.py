"""The group of commands: what each says of itself, and what is missing without the extras."""

import subprocess
import sys

import pytest
from click.testing import CliRunner

from streamd.cli import COMMANDS, group


@pytest.mark.parametrize("name", COMMANDS)
def test_help_shows_examples_line_by_line_and_no_sign_of_click(name):
    shown = CliRunner().invoke(group, [name, "--help"], max_content_width=100)
    assert shown.exit_code == 0
    assert "\\b" not in shown.output
    assert "\b" not in shown.output


def test_examples_keep_their_lines():
    shown = CliRunner().invoke(group, ["scenes", "--help"]).output
    assert "125 streets, and annotations.json\n" in shown


def test_a_library_of_an_extra_that_is_not_there_is_told_with_the_extra():
    program = "import sys; sys.modules['onnx'] = None; from streamd import cli; cli.main(['lint', 'any.onnx'])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "streamd: onnx is not installed; pip install 'streamd[toolchain]'\n"


def test_a_module_of_our_own_that_is_not_there_is_our_fault(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "streamd.int8", None)
    done = CliRunner().invoke(group, ["lint", str(tmp_path / "any.onnx")])
    assert isinstance(done.exception, ModuleNotFoundError)


def test_an_address_given_for_a_file_shows_no_password():
    said = CliRunner().invoke(group, ["reload", "rtsp://viewer:hidden@192.0.2.1/s"]).output
    assert said.startswith("streamd: rtsp:/***@192.0.2.1/s: no such file; ")
