import json

import numpy as np
import pytest

from streamd import bundled
from streamd.infer.operators import ungraphed
from streamd.infer.session import open_session
from tests.gpu.odd_models import ODD, picture

CPU = "CPUExecutionProvider"


@pytest.fixture
def ran(tmp_path):
    """Opens a model that tells of its runs, and runs it once."""

    def make(path, rows):
        session = open_session(path, threads=1, spin="never", sides={}, profile=str(tmp_path / "run"))
        session.run(None, {session.get_inputs()[0].name: rows})
        return session

    return make


def test_a_detector_is_plain_but_for_what_the_cpu_adds(ran):
    session = ran(bundled.folder("assets") / "street.onnx", np.zeros((2, 3, 416, 416), np.float32))
    assert ungraphed(session, CPU) in (
        "ReorderInput, ReorderOutput: not known to be without a wait",  # its own layouts, on x86
        "",
    )


def test_what_runs_elsewhere_is_named(ran):
    session = ran(bundled.folder("assets") / "street.onnx", np.zeros((1, 3, 416, 416), np.float32))
    told = ungraphed(session, "CUDAExecutionProvider")
    assert told.endswith(": not on the GPU") and "Conv" in told.split(":")[0].split(", ")


@pytest.mark.parametrize(
    ("kind", "name"), [("nms", "NonMaxSuppression"), ("padded", "NonMaxSuppression"), ("host", "Det")]
)
def test_an_operator_that_may_wait_is_named(ran, tmp_path, kind, name):
    path = tmp_path / "odd.onnx"
    path.write_bytes(ODD[kind]())
    session = ran(path, picture(np.random.default_rng(0)))
    assert name in ungraphed(session, CPU)


@pytest.mark.parametrize("events", [[], [{"cat": "Session", "args": {}}, {"cat": "Kernel", "args": {"op": "Conv"}}]])
def test_a_profile_that_names_no_operator_permits_nothing(tmp_path, events):
    """To record what is not known may end the process; to run it call by call never does."""
    profile = tmp_path / "run.json"
    profile.write_text(json.dumps(events))

    class Session:
        def end_profiling(self):
            return str(profile)

    assert ungraphed(Session(), CPU) == "its profile names no operator"
