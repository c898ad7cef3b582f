import sys

import pytest

from streamd.cli.bar import progress


@pytest.mark.parametrize("length", [0, 2, 5])
def test_a_bar_tells_what_was_done_and_nothing_on_stdout(length, capsys):
    with progress(length, "working") as advance:
        advance(1)
        advance(1)
    assert capsys.readouterr() == ("", "working\n")  # stderr is no terminal here: the label alone


@pytest.mark.parametrize("length", [0, 2, 5])
def test_on_a_terminal_it_ends_full(length, capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with progress(length, "working") as advance:
        advance(2)
    assert "2/2" in capsys.readouterr().err.split("\r")[-1]
