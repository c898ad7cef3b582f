"""The command line of `streamd build`, with recorded versions of TensorRT; the real one is in tests/engine."""

import os
import shutil
import signal

import pytest
from click.testing import CliRunner
from msgspec.structs import replace

from streamd import cli, manifest
from streamd.engine import build as engine_build
from streamd.engine import data
from streamd.engine.target import Target
from streamd.errors import ModelError
from streamd.infer import library
from streamd.int8 import cache
from tests.engine.conftest import BUNDLED, quantized
from tests.engine.recorded import PLAN


def test_the_engine_takes_the_name_of_the_model(build, model):
    done = build()
    assert done.exit_code == 0, done.output
    assert model.with_suffix(".engine").read_bytes() == PLAN
    assert manifest.load(model).built is None  # the ONNX file's own is left as it was
    assert manifest.load(model.with_suffix(".engine")).built.tensorrt == "10.3.0"
    assert "wrote" in done.output and "not compared with ONNX Runtime" in done.output


def test_a_second_call_builds_nothing(build, model):
    build()
    assert f"{model.with_suffix('.engine')} is current: built by TensorRT 10.3.0" in build().output
    assert "wrote" in build("--force").output
    assert "wrote" in build(version="tensorrt 8.6.1").output
    assert "wrote" in build("--fp16").output


def test_fp16_is_built_where_int8_cannot_be(build, tmp_path):
    scales = tmp_path / "scales.cache"
    scales.write_text("TRT-8600-EntropyCalibration2\nimages: 3c010204\n")
    given = ("--int8", "dynamic-range", "--cache", scales)
    old = Target("Tesla P100", "6.0")
    done = build(*given, gpu=old)
    assert done.exit_code == 0, done.output
    assert "warning: INT8 cannot be built (Tesla P100 (sm_60) has no INT8): this is FP16" in done.output
    strict = build(*given, "--strict", "--force", gpu=old)
    assert strict.exit_code == 1
    assert "has no INT8; leave --strict out" in strict.output


def test_an_old_tensorrt_is_fed_pictures(build, tmp_path, monkeypatch, host_gpu):
    monkeypatch.setattr(data, "open_gpu", lambda device: host_gpu)
    kept = tmp_path / "kept.cache"
    given = ("--int8", "calibrator", "--data", BUNDLED.with_suffix(".mp4"), "--frames", "8", "--cache", kept)
    done = build(*given, version="tensorrt 8.6.1")
    assert done.exit_code == 0, done.output
    assert "int8 in " in done.output
    assert cache.read(kept).scales.keys() == {"images"}
    again = build("--int8", "calibrator", "--cache", kept, version="tensorrt 8.6.1")
    assert again.exit_code == 0, again.output  # the cache is enough, and it is built again: pictures may have changed


def test_an_engine_that_does_not_agree_is_not_written(build, model):
    def broken(path, sidecar, **options):
        raise ModelError(f"{path.name}: the engine cannot be run")

    done = build(gpu=Target("NVIDIA L4", "8.9"), engine=broken)
    assert (done.exit_code, "the engine cannot be run" in done.output) == (1, True)
    assert not model.with_suffix(".engine").exists()


def test_an_engine_that_agrees_is(build, model):
    done = build(gpu=Target("NVIDIA L4", "8.9"))
    assert done.exit_code == 0, done.output
    assert "100.0% of" in done.output and "detections matched on 16 pictures" in done.output
    assert manifest.load(model.with_suffix(".engine")).built.gpu == "NVIDIA L4"


def test_warnings_of_tensorrt_are_shown_and_counted(build, monkeypatch):
    said = []

    def talk(builder, network, config):
        for number in range(7):
            said[0]("WARNING", f"warning {number}")
        return PLAN

    own = library.Library.logger
    monkeypatch.setattr(library.Library, "logger", lambda self, sink: said.append(sink) or own(self, sink))
    done = build(**{"Builder.build_serialized_network": talk})
    assert "note: TensorRT: warning 0\n" in done.output
    assert "note: TensorRT: 2 more warnings; --log FILE keeps them" in done.output


@pytest.mark.parametrize("version", ["tensorrt 11.4.0.106", "tensorrt_rtx 1.7.1.116"])
@pytest.mark.parametrize("kind", ["calibrator", "dynamic-range"])
def test_implicit_int8_that_is_gone_says_what_to_use(build, version, kind):
    done = build("--int8", kind, version=version)
    assert done.exit_code == 1
    assert f"has no --int8 {kind}: it ended with TensorRT 10; streamd quantize" in done.output


def test_another_manifest_beside_the_model_makes_another_engine(build, model):
    build()
    about = manifest.load(model)
    manifest.save(replace(about, labels=("somebody", *about.labels[1:])), model)
    assert "wrote" in build().output
    assert manifest.load(model.with_suffix(".engine")).labels[0] == "somebody"
    assert "is current" in build().output


def test_fp16_in_place_of_int8_is_not_current_for_who_is_strict(build, model, tmp_path_factory):
    street_qdq = quantized(BUNDLED, tmp_path_factory.mktemp("street"))
    for suffix in (".onnx", ".json"):
        shutil.copy(street_qdq.with_suffix(suffix), model.with_suffix(suffix))
    old = Target("Tesla P100", "6.0")
    assert "this is FP16" in build(gpu=old).output
    assert "is current" in build(gpu=old).output
    strict = build("--strict", gpu=old)
    assert (strict.exit_code, "leave --strict out" in strict.output) == (1, True)


def test_ctrl_c_while_the_layers_are_looked_at_writes_nothing(build, model, monkeypatch):
    own = engine_build._Attempt.layers

    def pressed(self, plan, facts):
        os.kill(os.getpid(), signal.SIGINT)
        return own(self, plan, facts)

    monkeypatch.setattr(engine_build._Attempt, "layers", pressed)
    done = build()
    assert (done.exit_code, "cancelled; no engine was written" in done.output) == (130, True)
    assert not model.with_suffix(".engine").exists()


def test_ctrl_c_ends_a_calibration(build, model, tmp_path, monkeypatch, host_gpu):
    class Pressing(data.Staged):
        def __call__(self, batch):
            os.kill(os.getpid(), signal.SIGINT)
            return super().__call__(batch)

    monkeypatch.setattr(data, "open_gpu", lambda device: host_gpu)
    monkeypatch.setattr(data, "Staged", Pressing)
    kept = tmp_path / "kept.cache"
    done = build("--int8", "calibrator", "--data", BUNDLED.with_suffix(".mp4"), "--frames", "8", "--cache", kept)
    assert (done.exit_code, "cancelled" in done.output) == (130, True), done.output
    assert not kept.exists() and not model.with_suffix(".engine").exists()


def test_what_it_was_calibrated_on_is_found_from_anywhere(build, model, monkeypatch):
    monkeypatch.chdir(model.parent)
    (model.parent / "scales.cache").write_text("TRT-8600-EntropyCalibration2\nimages: 3c010204\n")
    assert build("--int8", "dynamic-range", "--cache", "scales.cache").exit_code == 0
    options = manifest.load(model.with_suffix(".engine")).built.options
    assert options == ("--int8", "dynamic-range", "--cache", str(model.parent / "scales.cache"))


def test_without_tensorrt_it_is_said_what_to_install(model, monkeypatch):
    monkeypatch.setattr(library, "NAMES", ("no_such_tensorrt",))
    done = CliRunner().invoke(cli.group, ["build", str(model)])
    assert done.exit_code == 1
    assert "TensorRT cannot be loaded" in done.output and "pip install 'streamd[gpu]'" in done.output
