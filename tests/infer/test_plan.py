"""Plans that are refused: by the real TensorRT, as far as it goes without a GPU, and by a stand-in of every version."""

import shutil
import subprocess
import sys

import pytest

from streamd.errors import ModelError
from streamd.infer.plan import KEPT, LONGEST, Messages
from tests.infer.opened import open_engine

OPENS = """
import sys
from pathlib import Path
from streamd.errors import ModelError
from streamd.infer import engines, library
from streamd.errors import ModelError
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


def test_a_plan_that_tensorrt_does_not_take_says_why(host_as_tensorrt, version, engine):
    host_as_tensorrt(version, refuses=("plan",))
    with pytest.raises(
        ModelError, match=r"cannot load it: .*incompatible device.*; build it: streamd build MODEL.onnx"
    ):
        open_engine(engine())


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            {"kinds": {"logits": "BF16"}},
            "tensor logits ?x4 is BF16; export and build it with inputs and outputs in float32",
        ),
        ({"kinds": {"images": "FP8"}}, "tensor images ?x3x8x8 is FP8"),
        ({"forms": {"images": "CHW16"}}, "tensor images lies in memory as CHW16; build it without I/O formats"),
        ({"places": {"logits": "HOST"}}, "tensor logits is wanted on the host"),
    ],
)
def test_tensors_that_no_kernel_reads_are_refused(host_as_tensorrt, engine, options, said):
    host_as_tensorrt("tensorrt 11.4.0.106", **options)
    with pytest.raises(ModelError) as error:
        open_engine(engine())
    assert said in str(error.value)


def test_a_shape_that_hangs_on_what_is_seen_is_refused(host_as_tensorrt, version, nonzero_model):
    host_as_tensorrt(version)
    path = nonzero_model()
    shutil.copy(path, path.with_suffix(".engine"))
    with pytest.raises(ModelError, match=r"the shape of boxes float32 1x\?x6 hangs on what is seen; export it without"):
        open_engine(path.with_suffix(".engine"))
