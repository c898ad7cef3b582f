"""Engines as the real TensorRT opens them, as far as it goes without a GPU: its bindings, its log, its refusals."""

import subprocess
import sys

import pytest

from streamd.infer.plan import KEPT, LONGEST, Messages

OPENS = """
import sys
from pathlib import Path
from streamd.errors import ModelError
from streamd.infer import engines, library
from streamd.infer.plan import Plan
path = Path(sys.argv[1])
try:
    Plan(library.find(), path, engines.read(path), None)
except ModelError as error:
    print(error)
"""


@pytest.mark.parametrize(("which", "name"), [("tensorrt", "TensorRT 11."), ("tensorrt_rtx", "TensorRT-RTX 1.")])
def test_what_the_real_library_says_of_a_broken_plan_reaches_the_error(request, tmp_path, which, name):
    """With a recorder set, TensorRT no longer tells its log of errors: without ours there would be no reason."""
    environment = request.getfixturevalue(which)
    (tmp_path / "m.engine").write_bytes(b"no plan at all " * 20)
    command = [sys.executable, "-c", OPENS, str(tmp_path / "m.engine")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    said = done.stdout.strip().splitlines()[-1]
    assert said.startswith(f"{tmp_path}/m.engine: {name}")
    assert "cannot load it: " in said and "incompatible serialization version" in said
    assert said.endswith(f"build it: streamd build MODEL.onnx --out {tmp_path}/m.engine")


def test_the_last_messages_are_kept_until_they_are_taken():
    messages = Messages()
    for number in range(9):
        messages("ERROR", f"{number}\n{'x' * 999}")
    messages("INTERNAL_ERROR", f"8 {'x' * 999}")
    messages("WARNING", "no error")
    messages("VERBOSE", "no error")
    said = messages.taken().split("; ")
    assert [line[0] for line in said] == ["5", "6", "7", "8"] and len(said) == KEPT
    assert max(map(len, said)) == LONGEST
    assert messages.taken() == "TensorRT does not say why"
