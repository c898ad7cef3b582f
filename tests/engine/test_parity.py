"""An engine's parity, with ONNX Runtime on both sides: any two backends will do."""

from contextlib import closing
from dataclasses import replace
from itertools import islice

import msgspec.structs
import pytest

from streamd import infer
from streamd.decode import pictures
from streamd.engine import parity
from streamd.engine.parity import Bounds
from streamd.errors import ModelError
from streamd.manifest import Built
from tests.engine.conftest import BUNDLED


@pytest.fixture(scope="module")
def shown():
    return [one.copy() for one in islice(pictures(BUNDLED.with_suffix(".mp4")), 0, 40, 10)]


@pytest.fixture(scope="module")
def reference():
    with closing(infer.load(BUNDLED)) as backend:
        yield backend


def test_a_model_agrees_with_itself(shown, reference):
    with closing(infer.load(BUNDLED, batch=3)) as engine:
        found = parity.compare(engine, reference, shown)
    assert found.matched50 == 1.0
    assert found.pictures == 4
    assert found.detections > 10
    assert "100.0% of" in parity.judge(BUNDLED, found, Bounds())


def test_int8_agrees_less(shown, reference, street_qdq):
    with closing(infer.load(street_qdq)) as engine:
        found = parity.compare(engine, reference, shown)
    assert 0.3 < found.matched90 < 1
    assert found.drift_abs > 0


def test_too_few_matches_or_too_much_drift_fail(shown, reference):
    found = parity.compare(reference, reference, shown)
    for worse in (replace(found, matched50=0.8), replace(found, drift_abs=0.2)):
        with pytest.raises(ModelError, match="does not find what its ONNX file finds"):
            parity.judge(BUNDLED, worse, Bounds())
        assert parity.judge(BUNDLED, worse, Bounds(matched=0.8, drift=0.2))


def test_that_nothing_was_found_is_told(shown, reference):
    found = parity.compare(reference, reference, shown, confidence=1.0)
    assert "nothing was found on 4 pictures, by neither" in parity.judge(BUNDLED, found, Bounds())


def test_an_engine_is_run_from_a_folder_of_its_own(shown, monkeypatch):
    """The backend for engines is pretended: it runs the ONNX file of the plan that it is given."""
    seen = []

    def backend(path, sidecar, **options):
        seen.append((path, sidecar.sha256, options["device"], options["batch"]))
        copy = path.with_suffix(".onnx")
        copy.write_bytes(path.read_bytes())
        copy.with_suffix(".json").write_bytes(BUNDLED.with_suffix(".json").read_bytes())
        return infer.load(copy)

    monkeypatch.setitem(infer.BACKENDS, ".engine", backend)
    with closing(infer.load(BUNDLED)) as own:
        described = msgspec.structs.replace(own.manifest, built=Built("", "", "", "", profile=(1, 2, 4)))
    said = parity.check(BUNDLED.read_bytes(), described, BUNDLED, shown, "cuda:1", Bounds())
    ((path, sha256, *given),) = seen
    assert "100.0% of" in said
    assert (len(sha256), given, path.exists()) == (64, ["cuda:1", 2], False)


def test_an_engine_is_run_by_the_backend_for_engines(shown, host_as_tensorrt, version):
    standin = host_as_tensorrt(version)
    with closing(infer.load(BUNDLED)) as own:
        described = own.manifest
    gpu, library = standin.gpu, standin.library
    built = Built(library.version, gpu.name, gpu.compute_capability, "ab" * 32, library=library.name)
    described = msgspec.structs.replace(described, built=built)
    said = parity.check(BUNDLED.read_bytes(), described, BUNDLED, shown, "cuda:0", Bounds())
    assert "100.0% of" in said and "on 4 pictures" in said
    assert len(standin.runs) > len(shown)
