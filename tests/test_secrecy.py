"""No secret leaves the process, whatever it is written with."""

import subprocess
import sys

import pytest

from streamd.secrecy import Hide

CODE = """
import sys, threading
from streamd.secrecy import Hide

hide = Hide(["p@ss/w:rd%#."])
hide.in_tracebacks()

def fail():
    raise RuntimeError("it said p@ss/w:rd%#. and p%40ss%2Fw%3Ard%25%23. and rtsp://u:other@h/")

class Late:
    def __del__(self):
        fail()

if sys.argv[1] == "thread":
    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()
elif sys.argv[1] == "del":
    Late()
else:
    fail()
"""


@pytest.mark.parametrize("where", ["main", "thread", "del"])
def test_a_traceback_shows_none(where):
    done = subprocess.run([sys.executable, "-c", CODE, where], capture_output=True, text=True, check=False)
    assert "RuntimeError" in done.stderr
    assert "it said *** and *** and rtsp://***@h/" in done.stderr


def test_what_it_has_learnt_it_keeps():
    hide = Hide(["first one"])
    hide.learn(["second one"])
    assert hide("first one, second one") == "***, ***"
    assert hide.secrets == {"first one", "second one"}
