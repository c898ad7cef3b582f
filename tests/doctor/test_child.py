import os
import select
import textwrap
from pathlib import Path

import pytest

from streamd.checkup import Part
from streamd.doctor import child
from streamd.doctor.child import ask

DESCRIPTORS = Path("/proc/self/fd")

ROOM = """
import os, signal, sys
from streamd.checkup import Probe

def hang():
    with open(os.environ["MARK"], "w") as mark:
        mark.write(str(os.getpid()))
    signal.pause()

def crash():
    os.write(2, b"free(): invalid pointer\\n")
    os.abort()

def loud():
    os.write(1, b"{} no message of ours\\n")
    return "1"
"""


@pytest.fixture
def room(tmp_path):
    """Asks a room `sick` whose probe.py yields these looks; returns the answers."""

    def room(looks, *, gpu=True, patience_s=60.0, missing=False):
        probes = f"def probes():\n{textwrap.indent(looks, '    ')}\n"
        modules = "" if missing else 'sys.modules["streamd.sick.probe"] = sys.modules["sitecustomize"]\n'
        (tmp_path / "sitecustomize.py").write_text(ROOM + probes + modules)
        environment = {**os.environ, "PYTHONPATH": str(tmp_path), "MARK": str(tmp_path / "mark")}
        return list(ask("sick", "first", environment, patience_s, gpu=gpu))

    return room


@pytest.fixture
def impatient(tmp_path, monkeypatch):
    """Lets time run out for a child once it has said that it hangs, and not before."""
    real, mark, seen = select.select, tmp_path / "mark", tmp_path / "seen"

    def wait(read, write, failed, timeout):
        while True:
            hangs = mark.exists()
            ready = real(read, write, failed, 0.01)
            if ready[0]:
                return ready
            if hangs:
                mark.rename(seen)  # the next child may take its time
                return ready

    monkeypatch.setattr(child.select, "select", wait)
    return seen


def states(answers):
    return {answer.part.name: answer.part.state for answer in answers}


def test_every_look_is_told_in_order(room):
    answers = room('yield Probe("a", loud)\nyield Probe("b", lambda: 1 / 0, "mend b")')
    assert [answer.part for answer in answers] == [
        Part("a", "ok", "1"),
        Part("b", "broken", "ZeroDivisionError: division by zero", "mend b"),
    ]


def test_a_look_that_crashes_is_broken_and_the_others_are_looked_at(room):
    answers = room('yield Probe("a", loud)\nyield Probe("b", crash)\nyield Probe("c", loud)')
    assert states(answers) == {"a": "ok", "b": "broken", "c": "ok"}
    assert answers[1].part.said == "crashed with SIGABRT: free(): invalid pointer"
    assert not answers[1].timed_out


def test_a_look_that_hangs_is_broken_its_process_ended_and_the_others_are_looked_at(room, impatient):
    answers = room('yield Probe("a", loud)\nyield Probe("b", hang)\nyield Probe("c", loud)', patience_s=7)
    assert states(answers) == {"a": "ok", "b": "broken", "c": "ok"}
    assert answers[1].part.said == "gave no answer in 7 s"
    assert answers[1].timed_out
    with pytest.raises(ProcessLookupError):
        os.kill(int(impatient.read_text()), 0)


def test_a_gpu_that_hung_is_not_asked_again(room, impatient):
    answers = room('yield Probe("a", hang, gpu=True)\nyield Probe("b", crash, gpu=True)\nyield Probe("c", loud)')
    assert states(answers) == {"a": "broken", "b": "broken", "c": "ok"}
    assert answers[0].gpu
    assert answers[1].part.said == "not tried: the GPU does not answer"


def test_without_a_gpu_only_its_looks_are_left_out(room):
    answers = room('yield Probe("a", crash, gpu=True)\nyield Probe("b", loud)', gpu=False)
    assert states(answers) == {"a": "broken", "b": "ok"}


@pytest.mark.parametrize("looks", ["os._exit(3)\nyield", "yield Probe('a', lambda: '1')\nos._exit(3)"])
def test_a_child_that_ends_between_two_looks_is_told_and_not_asked_for_ever(room, looks):
    *_, last = room(looks)
    assert (last.part.name, last.part.said) == ("first", "ended with exit code 3")


def test_a_room_that_cannot_be_loaded_is_told_under_its_first_part(room):
    (answer,) = room("yield", missing=True)
    assert answer.part.name == "first"
    assert (answer.part.state, answer.part.said) == ("missing", "there is no Python module streamd.sick")


def test_nothing_of_a_child_stays_open(room):
    before = len(list(DESCRIPTORS.iterdir()))
    room('yield Probe("a", crash)')
    assert len(list(DESCRIPTORS.iterdir())) == before
